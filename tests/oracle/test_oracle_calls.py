"""The oracle on several calls, timeouts and excuses: what each call is promised, and what not."""

from dataclasses import replace
from typing import Any

import pytest
from oracle_rig import (
    EXPLAINED,
    GOOD,
    OK,
    SECOND_EVENTS,
    SECOND_RUN,
    TWICE,
    Trial,
    added,
    at,
    changed,
    judgement,
    moved,
    outcome_of,
    persisted,
    position,
    raised,
    seen,
    verdicts,
    without,
)

from race_harness.model.schedule import (
    Caller,
    ConnectionLink,
    Fault,
    Interleaving,
    LineStall,
    Link,
    Network,
    RestFault,
    Schedule,
    ServerTiming,
)
from race_harness.model.trace import Happening
from race_harness.oracle.judge import judge

# -- several calls


def test_two_right_calls_are_ok() -> None:
    assert verdicts(TWICE) == OK


@pytest.mark.parametrize(
    ("call", "run", "end"), [(1, 1, "run-returned"), (2, 2, "run-returned 2")]
)
def test_each_call_waits_for_its_own_run_and_is_named(call: int, run: int, end: str) -> None:
    found = judgement(moved(TWICE, f"run-ended {run}", after=end))
    assert found.verdicts == ("early",)
    (evidence,) = found.evidence
    assert evidence.says.startswith(f"call {call} of run() returned")


def test_a_call_alone_has_no_number() -> None:
    found = judgement(moved(GOOD, "run-ended 1", after="run-returned"))
    assert found.evidence[0].says.startswith("run() returned")


def test_the_run_of_one_call_does_not_do_for_another() -> None:
    trial = without(TWICE, *SECOND_RUN, *SECOND_EVENTS)
    found = judgement(trial)
    assert found.verdicts == ("unrun",)
    assert found.evidence[0].says.startswith("call 2 of run()")


def test_each_call_is_late_for_itself() -> None:
    found = judgement(moved(TWICE, "visible observation", after="run-returned"))
    assert [entry.verdict for entry in found.evidence] == ["late"]
    assert "before call 1 of run() returned" in found.evidence[0].says
    both = moved(TWICE, "visible observation", after="run-returned 2")
    found = judgement(moved(both, "callback observation", after="run-returned 2"))
    # Still not there at the end of the second call, and out of order by then.
    assert [entry.verdict for entry in found.evidence if entry.verdict == "late"] == ["late"] * 2


def test_a_hang_names_the_call_that_never_returned() -> None:
    trial = without(TWICE, "run-returned 2", "close-called", "close-returned")
    outcome = replace(outcome_of(trial), stopped="the limit")
    found = judge(Schedule("by-hand"), trial, outcome)
    assert found.verdicts == ("hang",)
    assert found.evidence[0].says == "call 2 of run() never returned (the limit)"


def test_two_calls_at_once_have_a_run_each() -> None:
    """The second waits for the first one's run, as it was told by 409."""
    refused = [
        at(200, "client", "run-called", call=2),
        at(201, "server", "run-refused", status=409),
    ]
    trial = added(GOOD, *refused, after="run-started 1")
    returned = at(310, "client", "run-returned", call=2)
    assert verdicts(added(trial, returned, after="run-returned")) == OK
    too_soon = replace(returned, at_ns=250_000_000)
    found = judgement(added(trial, too_soon, after="run-refused"))
    # The run was going on, and its last events were not there yet.
    assert found.verdicts == ("early",)
    assert found.evidence[0].says.startswith("call 2 ")


def overlapping(first: str, second: str, *, raises: bool = False) -> Trial:
    """Two calls at once, with a run each that ends so; nobody can tell whose is which."""
    trial = changed(TWICE, "run-ended 1", status=first)
    trial = changed(trial, "run-ended 2", status=second)
    trial = moved(trial, "run-called 2", after="run-called")
    ended = replace(trial[position(trial, "run-returned")], at_ns=611_000_000)
    trial = added(without(trial, "run-returned"), ended, after="run-returned 2")
    return raised(trial, "RuntimeError: LLM") if raises else trial


@pytest.mark.parametrize(
    ("first", "second", "raises", "expected"),
    [
        ("finished", "finished", False, OK),
        ("error", "finished", False, OK),
        ("finished", "error", False, OK),
        ("error", "stuck", False, ("spurious-error",)),
        ("finished", "finished", True, ("spurious-error",)),
        ("error", "finished", True, OK),
        ("finished", "stuck", True, OK),
    ],
)
def test_of_calls_at_once_none_is_blamed_for_a_run_that_may_be_anothers(
    first: str, second: str, raises: bool, expected: tuple[str, ...]
) -> None:
    assert verdicts(overlapping(first, second, raises=raises)) == expected


def test_one_after_the_other_each_is_blamed_for_its_own() -> None:
    """The control: there the failure of the second run is no excuse for the first call."""
    failed = changed(TWICE, "run-ended 2", status="error")
    assert verdicts(raised(failed, "RuntimeError: LLM", "run-returned 2")) == OK
    assert verdicts(raised(TWICE, "RuntimeError: LLM")) == ("spurious-error",)
    found = judgement(raised(failed, "RuntimeError: LLM"))
    assert found.verdicts == ("spurious-error",)
    assert len(found.evidence) == 2


def test_of_calls_at_once_none_is_late_with_what_came_after_the_first_end() -> None:
    """It may have waited for that alone, while what the other run brings is on its way."""
    both = overlapping("finished", "finished")
    late = moved(both, "visible observation-2", after="run-returned")
    assert verdicts(moved(late, "callback observation-2", after="run-returned")) == OK
    own = moved(both, "visible observation", after="run-returned")
    own = moved(own, "callback observation", after="run-returned")
    assert "late" in verdicts(own)
    # One after the other, the second is late with just that.
    apart = moved(TWICE, "visible observation-2", after="run-returned 2")
    assert verdicts(apart) == ("late",)


def test_of_calls_at_once_none_may_return_before_any_run_has_ended() -> None:
    trial = moved(overlapping("finished", "finished"), "run-returned 2", after="run-started 1")
    assert verdicts(trial)[0] == "early"


# -- a run refused by the tail of another


TAIL: Trial = [
    *GOOD[:-2],
    at(400, "client", "act-called", act="send-message"),
    persisted(401, "message-2"),
    *seen(402, "message-2"),
    at(410, "client", "run-called", call=2),
    at(410, "rest", "request", method="POST", route="POST run", number=2),
    at(411, "server", "run-refused", status=409),
    at(412, "rest", "answer", number=2, status=409),
    at(610, "client", "run-returned", call=2),
    *GOOD[-2:],
]
"""The second call gets 409 after the end of the first run, and returns."""


def test_a_message_that_the_tail_leaves_to_nobody_is_unrun() -> None:
    found = judgement(TAIL)
    assert found.verdicts == ("unrun",)
    assert found.evidence[0].says.startswith("call 2 of run()")


def test_without_a_message_since_that_run_nothing_was_left_undone() -> None:
    silent = without(TAIL, "persisted message-2", "callback message-2", "visible message-2")
    assert verdicts(silent) == OK


def test_a_message_from_before_the_end_of_that_run_was_heard() -> None:
    early = TAIL
    for which in ("visible message-2", "callback message-2", "persisted message-2"):
        early = moved(early, which, after="visible action")
    assert verdicts(early) == OK


def test_a_message_from_after_the_call_is_for_another() -> None:
    later = TAIL
    for which in ("visible message-2", "callback message-2", "persisted message-2"):
        later = moved(later, which, after="run-called 2")
    assert verdicts(later) == OK


def test_a_message_of_the_agent_is_not_the_users() -> None:
    assert verdicts(changed(TAIL, "persisted message-2", run=1)) == OK


def test_whoever_asks_again_after_the_tail_is_heard() -> None:
    again = [
        at(420, "server", "run-accepted", run=2),
        at(421, "server", "run-started", run=2),
        at(602, "server", "run-ended", run=2, status="finished"),
    ]
    assert verdicts(added(TAIL, *again, after="answer 2")) == OK
    # And waits for that run.
    assert verdicts(added(TAIL, *again[:2], after="answer 2")) == ("early",)


def test_another_refusal_makes_nobody_wait_for_another_run() -> None:
    assert verdicts(changed(TAIL, "run-refused", status=404)) == ("unrun",)


# -- what is late, and what others add


def test_what_others_add_after_the_run_may_be_on_its_way() -> None:
    """Such as a message that another thread sends as `run()` returns."""
    other = [persisted(305, "other"), *seen(320, "other")]
    trial = added(GOOD, other[0], after="snapshot 1")
    assert verdicts(added(trial, *other[1:], after="run-returned")) == OK
    # What the run itself adds then, or others before its end, is not.
    for event, after, expected in (
        (persisted(305, "other"), "run-ended 1", OK),
        (persisted(305, "other", run=1), "run-ended 1", ("late",)),
        (persisted(305, "other"), "persisted observation", ("late",)),
    ):
        trial = added(GOOD, event, after=after)
        assert verdicts(added(trial, *other[1:], after="run-returned")) == expected


def test_what_others_add_is_still_lost_if_it_never_comes() -> None:
    assert verdicts(added(GOOD, persisted(305, "other"), after="snapshot 1")) == ("lost",)


# -- paused, closed, not blocking


def paused(status: str, **detail: Any) -> Trial:
    """The run goes on when `run()` returns; by then somebody has set this status."""
    trial = moved(GOOD, "run-ended 1", after="run-returned")
    return added(trial, at(302, "server", "status", status=status, **detail), after=PAUSED_AFTER)


PAUSED_AFTER = "visible action"


def test_returning_from_a_paused_run_is_not_early() -> None:
    assert verdicts(paused("paused")) == OK
    assert verdicts(paused("paused", run=1)) == OK
    assert verdicts(paused("running")) == ("early",)
    assert verdicts(paused("waiting_for_confirmation")) == ("early",)


def test_a_pause_excuses_also_where_the_step_wins_but_not_if_the_run_paused_itself() -> None:
    """A stop hook may then take the step's `finished` back, when the caller believes the pause."""
    for run, expected in ((None, OK), (1, ("early",))):
        trial = paused("paused", run=run)
        on_again = at(304, "server", "status", status="running", run=1)
        assert verdicts(added(trial, on_again, after="snapshot 1")) == expected


def test_a_pause_from_before_the_call_excuses_nothing() -> None:
    trial = moved(GOOD, "run-ended 1", after="run-returned")
    before = at(105, "server", "status", status="paused")
    on_again = at(112, "server", "status", status="running", run=1)
    trial = added(added(trial, before, after="visible message"), on_again, after="run-started 1")
    assert verdicts(trial) == ("early",)


def test_what_is_persisted_after_the_pause_may_be_on_its_way() -> None:
    trial = moved(paused("paused"), "visible observation", after="run-returned")
    assert verdicts(trial) == OK
    assert verdicts(moved(trial, "callback observation", after="run-returned")) == OK
    # What came before it may not, nor anything if the run's own end says `paused`.
    sooner = moved(paused("paused"), "visible action", after="run-returned")
    assert verdicts(moved(sooner, "persisted action", after="run-started 1"))[0] == "late"
    own = changed(moved(GOOD, "visible observation", after="run-returned"), "run-ended 1")
    own = added(
        own, at(302, "server", "status", status="paused", run=1), after="persisted observation"
    )
    assert verdicts(changed(own, "run-ended 1", status="paused")) == ("late",)


def test_a_pause_excuses_no_loss() -> None:
    assert verdicts(without(paused("paused"), "visible observation")) == ("lost",)


CLOSE = at(200, "client", "act-called", act="close")


@pytest.mark.parametrize("act", ["close", "pause"])
def test_who_has_closed_is_promised_nothing_but_an_end(act: str) -> None:
    closing = replace(CLOSE, detail={"act": act})
    closed = act == "close"
    returns = moved(GOOD, "run-ended 1", after="run-returned")
    returns = without(returns, "visible observation", "callback action")
    trial = added(returns, closing, after="run-started 1")
    assert verdicts(trial) == (OK if closed else ("lost", "early", "missed-callback"))
    raises = raised(added(GOOD, closing, after="run-started 1"), "RuntimeError: closed")
    assert verdicts(raises) == (EXPLAINED if closed else ("spurious-error",))


def test_who_has_closed_must_still_come_back() -> None:
    trial = added(GOOD[: position(GOOD, "run-returned")], CLOSE, after="run-started 1")
    outcome = replace(outcome_of(trial), stopped="the limit")
    assert judge(Schedule("by-hand"), trial, outcome).verdicts == ("hang",)


def test_closing_after_the_return_excuses_the_return_from_nothing() -> None:
    trial = moved(GOOD, "run-ended 1", after="run-returned")
    assert verdicts(added(trial, CLOSE, after="run-returned")) == ("early",)


NOT_BLOCKING = Schedule("by-hand", caller=Caller(blocking=False))


def test_a_run_that_does_not_block_is_not_waited_for() -> None:
    trial = moved(GOOD, "run-returned", after="answer 1")
    assert verdicts(trial, NOT_BLOCKING) == OK
    assert verdicts(trial) == ("early",)


def test_a_run_that_does_not_block_may_not_lose_or_raise_either() -> None:
    trial = moved(GOOD, "run-returned", after="answer 1")
    assert verdicts(without(trial, "visible action"), NOT_BLOCKING) == ("lost",)
    assert verdicts(raised(trial, "RuntimeError: no"), NOT_BLOCKING) == ("spurious-error",)


# -- timeouts

PATIENT = Schedule("by-hand", network=Network(Link(0.0), Link(0.0)), caller=Caller(timeout_s=2.0))
"""Adds no delays of its own."""


def ending(took_ms: float, error: str | None = "TimeoutError: enough") -> Trial:
    """The run goes on for long; `run()` ends so long after its call at 110 ms."""
    trial = without(GOOD, "run-cleared 1", "snapshot 1")
    trial = changed(trial, "run-ended 1", status="finished")
    end = at(110 + took_ms, "client", "run-returned" if error is None else "run-raised")
    if error is not None:
        end = replace(end, detail={"error": error})
    place = position(trial, "run-returned")
    over = [happening for happening in trial if happening.what == "run-ended"]
    rest = [happening for happening in trial[:place] if happening.what != "run-ended"]
    late_over = [replace(each, at_ns=90_000_000_000) for each in over]
    return [*rest, end, *late_over, at(99_000, "client", "close-called")]


@pytest.mark.parametrize(
    ("took_ms", "expected"),
    [
        (2_000, OK),
        (1_750, OK),  # 250 ms sooner or later, and no more.
        (1_749.9, ("spurious-error",)),
        (10, ("spurious-error",)),
        (2_250, OK),
        (2_250.1, ("stall",)),
        (60_000, ("stall",)),
    ],
)
def test_a_timeout_is_kept_within_a_quarter_of_a_second(
    took_ms: float, expected: tuple[str, ...]
) -> None:
    found = judgement(ending(took_ms), PATIENT)
    assert found.verdicts == expected
    if found.verdicts == ("spurious-error",):
        assert "before its timeout of 2 s" in found.evidence[0].says
    if found.verdicts == ("stall",):
        assert "its timeout was 2 s" in found.evidence[0].says


@pytest.mark.parametrize(
    "error", ["ConversationRunError: 1 <- TimeoutError: x", "E: Run timed out"]
)
def test_a_timeout_is_known_by_its_name_or_its_words(error: str) -> None:
    assert verdicts(ending(2_000, error), PATIENT) == OK
    assert verdicts(ending(2_000, "E: no"), PATIENT) == ("spurious-error",)


def test_giving_up_too_soon_has_excuses_like_any_error() -> None:
    trial = ending(500)
    broken = at(300, "network", "fault", action="reset", link="rest", peer=1)
    assert verdicts(trial, PATIENT) == ("spurious-error",)
    assert verdicts(added(trial, broken, after="run-started 1"), PATIENT) == EXPLAINED


def test_a_timeout_of_the_clients_own_explains_giving_up_on_a_run_that_goes_on() -> None:
    assert verdicts(ending(10)) == EXPLAINED


def test_giving_up_in_time_on_a_run_that_was_over_long_before_is_late() -> None:
    """`run(timeout=60)` of a client that misses the end."""
    patient = replace(PATIENT, caller=replace(PATIENT.caller, timeout_s=60.0))
    gives_up = at(60_110, "client", "run-raised", call=1, error="TimeoutError: 60 s")
    place = position(GOOD, "run-returned")
    trial = [*GOOD[:place], gives_up, at(99_000, "client", "close-called")]
    assert verdicts(trial, patient) == ("stall",)
    soon = replace(gives_up, at_ns=5_000_000_000)
    assert verdicts([*trial[:-2], soon, trial[-1]], patient) == ("spurious-error",)
    busy = [replace(h, at_ns=59_000_000_000) if h.what == "snapshot" else h for h in trial]
    assert verdicts(busy, patient) == OK


@pytest.mark.parametrize(
    ("schedule", "own_ms"),
    [
        (replace(PATIENT, network=Network(Link(10.0), Link(20.0, 5.0))), 4 * 35),
        (
            replace(PATIENT, network=Network(Link(0), Link(0), (ConnectionLink(100.0, 50.0),))),
            4 * 150,
        ),
        (
            replace(
                PATIENT, network=Network(Link(0), Link(0), (), (Fault("stall", for_ms=700.0),))
            ),
            700,
        ),
        # No connection is held up by these.
        (
            replace(
                PATIENT,
                network=Network(
                    Link(0),
                    Link(0),
                    (),
                    (Fault("refuse", for_ms=700.0), Fault("reset", for_ms=700.0)),
                ),
            ),
            0,
        ),
        (
            replace(
                PATIENT, interleaving=Interleaving(stalls=(LineStall("f", "x = 1", for_ms=40.0),))
            ),
            40,
        ),
        (replace(PATIENT, caller=replace(PATIENT.caller, callback_ms=30.0)), 3 * 30),
        (replace(PATIENT, rest=(RestFault("delay", delay_ms=100.0, times=3),)), 3 * 2_100),
        (replace(PATIENT, rest=(RestFault("timeout", times=2),)), 2 * 32_000),
        (replace(PATIENT, rest=(RestFault("status"),)), 2_000),
    ],
    ids=[
        "links",
        "one connection's link",
        "stall",
        "refuse and reset",
        "line",
        "callbacks",
        "held-up answers",
        "no answers",
        "refused",
    ],
)
def test_what_the_schedule_adds_is_added_to_the_timeout(schedule: Schedule, own_ms: float) -> None:
    limit_ms = 2_250 + own_ms
    assert verdicts(ending(limit_ms), schedule) == OK
    assert verdicts(ending(limit_ms + 0.1), schedule) == ("stall",)
    # Too soon stays too soon.
    assert verdicts(ending(1_749.9), schedule) == ("spurious-error",)


def test_a_return_after_the_timeout_is_a_stall_as_well() -> None:
    trial = moved(ending(3_000, None), "run-ended 1", after="run-started 1")
    assert verdicts(trial, PATIENT) == ("stall",)
    soon = moved(ending(2_100, None), "run-ended 1", after="run-started 1")
    assert verdicts(soon, PATIENT) == OK


# -- excuses


def spoiled(*requests: tuple[str, str | None, int | None]) -> Trial:
    """`run()` raises after these requests: route, what became of it, HTTP status (None: none)."""
    happenings: list[Happening] = []
    for number, (route, action, status) in enumerate(requests, 10):
        happenings.append(at(120, "rest", "request", method="X", route=route, number=number))
        if action is not None:
            happenings.append(at(120, "rest", "fault", action=action, number=number))
        if status is not None:
            happenings.append(at(121, "rest", "answer", number=number, status=status))
        else:
            happenings.append(at(121, "rest", "unanswered", number=number))
    return raised(added(GOOD, *happenings, after="answer 1"), "HTTPStatusError: no")


POLL, PAGE, RUN = "GET conversation", "GET events/search", "POST run"
REFUSED, FINE = (POLL, "status", 503), (POLL, None, 200)


@pytest.mark.parametrize(
    ("requests", "excused"),
    [
        # One bad answer to a poll is to be survived.
        ([REFUSED], False),
        ([REFUSED, REFUSED], False),
        ([(POLL, "truncate", 200)], False),
        ([(POLL, "empty", 200)], False),
        # Held up is not spoiled.
        ([(POLL, "delay", 200)] * 5, False),
        ([(RUN, "delay", 200)], False),
        # No answer at all, with or without a fault that says why.
        ([(POLL, "timeout", None)], True),
        ([(POLL, None, None)], True),
        # Did a run begin or not? And who cannot read the events may say so.
        ([(RUN, "status", 503)], True),
        ([(RUN, "truncate", 200)], True),
        ([(PAGE, "status", 500)], True),
        ([(PAGE, "empty", 200)], True),
        ([("POST events", "status", 503)], False),
        # Not to be tried again, but for two.
        ([(POLL, "status", 404)], True),
        ([(POLL, "status", 401)], True),
        ([(POLL, "status", 408)], False),
        ([(POLL, "status", 429)], False),
        # Without a fault such an answer is the client's own doing.
        ([(POLL, None, 404)], False),
        ([(RUN, None, 500)], False),
        # What persists.
        ([REFUSED] * 3, True),
        ([REFUSED, (POLL, "truncate", 200), REFUSED], True),
        ([FINE, REFUSED, REFUSED, REFUSED], True),
        ([REFUSED, REFUSED, REFUSED, FINE], False),
        ([REFUSED, FINE, REFUSED, REFUSED], False),
        ([REFUSED, (POLL, "delay", 200), REFUSED], False),
    ],
)
def test_which_spoiled_answers_excuse_an_error(
    requests: list[tuple[str, str | None, int | None]], excused: bool
) -> None:
    assert verdicts(spoiled(*requests)) == (EXPLAINED if excused else ("spurious-error",))


def test_an_excuse_is_for_errors_only() -> None:
    trial = moved(GOOD, "run-ended 1", after="run-returned")
    answer = at(121, "rest", "answer", number=10, status=503)
    asked = at(120, "rest", "request", method="POST", route=RUN, number=10)
    struck = at(120, "rest", "fault", action="status", number=10)
    assert verdicts(added(trial, asked, struck, answer, after="answer 1")) == ("early",)


def fault_between(first: str) -> Trial:
    """Spoils a page of events after that happening; the second call raises."""
    trial = raised(TWICE, "HTTPStatusError: no", "run-returned 2")
    page = [
        at(120, "rest", "request", method="GET", route=PAGE, number=10),
        at(120, "rest", "fault", action="status", number=10, status=503),
        at(121, "rest", "answer", number=10, status=503),
    ]
    return added(trial, *page, after=first)


def test_an_excuse_is_for_the_call_during_which_it_came() -> None:
    assert verdicts(fault_between("answer 1")) == ("spurious-error",)
    assert verdicts(fault_between("run-returned")) == ("spurious-error",)
    assert verdicts(fault_between("answer 2")) == EXPLAINED


# -- the server's own order


def frame(event: str) -> Happening:
    return at(303, "socket", "frame-sent", event=event, kind="X", peer=1)


def swapped(*frames: str) -> Trial:
    """The observation comes before the action, and the server sent these frames in that order."""
    trial = moved(GOOD, "visible action", after="visible observation")
    trial = moved(trial, "callback action", after="callback observation")
    trial = moved(trial, "callback action", after="visible observation")
    return added(trial, *map(frame, frames), after="run-ended 1")


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        (("observation", "action"), OK),
        (("action", "observation"), ("out-of-order",)),
        # Only the first frame of each counts: a second subscriber, a resent one.
        (("action", "observation", "action"), ("out-of-order",)),
        (("observation", "action", "observation"), OK),
        # An order is one of two.
        (("observation",), ("out-of-order",)),
        (("action",), ("out-of-order",)),
        ((), ("out-of-order",)),
    ],
)
def test_the_order_in_which_the_server_itself_sent_is_no_fault(
    frames: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert verdicts(swapped(*frames)) == expected


def test_who_sorts_what_was_sent_in_another_order_is_right_too() -> None:
    frames = map(frame, ("observation", "action"))
    assert verdicts(added(GOOD, *frames, after="persisted observation")) == OK


# -- a stall of a failure, and what is noted


def failing(delay_ms: float, status: str, error: str | None) -> Trial:
    done_ms = GOOD[position(GOOD, "snapshot 1")].at_ns / 1e6
    trial = changed(GOOD, "run-ended 1", status=status)
    place = position(trial, "run-returned")
    end = at(done_ms + delay_ms, "client", "run-returned")
    trial = [*trial[:place], end, at(99_000, "client", "close-called")]
    return trial if error is None else raised(trial, error)


@pytest.mark.parametrize("status", ["error", "stuck"])
def test_telling_a_failure_too_late_is_a_stall(status: str) -> None:
    assert verdicts(failing(10_004, status, "RuntimeError: LLM")) == OK
    found = judgement(failing(10_004.1, status, "RuntimeError: LLM"))
    assert found.verdicts == ("stall",)
    assert "raised 10.0 s after the server was done" in found.evidence[0].says


def test_an_error_that_is_spurious_is_not_a_stall_as_well() -> None:
    assert verdicts(failing(30_000, "finished", "RuntimeError: no")) == ("spurious-error",)


def test_a_stall_of_the_second_call_counts_from_its_own_run_or_call() -> None:
    """Called when the run that it is told to wait for is over, it has waited from then on; asking
    for a run takes it 1 ms."""
    without_message = [
        h for h in TAIL if h.detail.get("event") != "message-2" and h.what != "act-called"
    ]
    place = position(without_message, "run-returned 2")
    for delay_ms, expected in ((10_005, OK), (10_005.1, ("stall",))):
        end = at(410 + delay_ms, "client", "run-returned", call=2)
        trial = [*without_message[:place], end, at(99_000, "client", "close-called")]
        assert verdicts(trial) == expected


@pytest.mark.parametrize(
    ("schedule", "says"),
    [
        (
            Schedule("x", server=ServerTiming(flushes_first=True), counterfactual=True),
            ["counterfactual: server.flushes_first"],
        ),
        (
            Schedule(
                "x", rest=(RestFault("delay"), RestFault("empty", "events")), counterfactual=True
            ),
            ["counterfactual: rest[1], an empty page"],
        ),
        (Schedule("x", counterfactual=True), []),
        (Schedule("x"), []),
    ],
)
def test_what_no_released_server_does_is_noted_whatever_the_verdict(
    schedule: Any, says: list[str]
) -> None:
    trials = GOOD, moved(GOOD, "run-ended 1", after="run-returned")
    for trial in trials:
        assert list(judgement(trial, schedule).notes) == says
    hang = GOOD[: position(GOOD, "run-returned")]
    assert list(judge(schedule, hang, outcome_of(hang)).notes) == says


# -- the server's process dies


def died(*after: Any, upto: str = "run-started") -> Trial:
    """It dies in the run, and what it does when it is there again."""
    until = next(n for n, entry in enumerate(GOOD) if entry.what == upto) + 1
    return [
        *GOOD[:until],
        at(305, "server", "crashed", for_ms=1_000.0),
        *after,
        *(entry for entry in GOOD if entry.what.startswith("close-")),
    ]


RECOVERED = (
    at(1_306, "server", "run-ended", run=1, status="error", recovered=True),
    at(1_307, "server", "restarted", status="error"),
)
RAISED = at(1_400, "client", "run-raised", call=1, error="RuntimeError: error")


def test_the_end_that_a_server_gives_a_run_when_it_is_there_again_is_its_end() -> None:
    raises = died(*RECOVERED, RAISED)
    assert verdicts(raises) == OK
    returns = died(*RECOVERED, at(1_400, "client", "run-returned", call=1))
    assert verdicts(returns) == ("spurious-error",)


def test_a_run_that_nobody_gives_an_end_is_lost_and_whoever_returns_is_wrong() -> None:
    idle = at(1_307, "server", "restarted", status="idle")
    returns = died(idle, at(1_400, "client", "run-returned", call=1))
    found = judgement(returns)
    assert [entry.fact for entry in found.evidence] == ["run-lost"]
    raises = died(idle, RAISED)
    assert verdicts(raises) == EXPLAINED


def test_a_client_may_go_by_the_end_that_was_told_and_by_the_one_on_the_disk() -> None:
    for end in (RAISED, at(1_400, "client", "run-returned", call=1)):
        trial = died(*RECOVERED, *seen(1_390, "observation"), end, upto="run-ended")
        assert verdicts(trial) == OK


@pytest.mark.parametrize(
    ("action", "number", "found"),
    [
        ("gave-up", 0, EXPLAINED),
        ("gave-up", 1, ("spurious-error",)),
        ("delay", 0, ("spurious-error",)),
    ],
    ids=["not come", "over", "another fault"],
)
def test_a_gateway_gives_up_a_request_that_has_not_come(
    action: str, number: int, found: tuple[str, ...]
) -> None:
    """That of before the call explains nothing, nor does a fault of another kind."""
    error = "ConversationRunError: 504"
    gave_up = at(150, "rest", "fault", action=action, number=number, after_s=0.5)
    answered = at(1, "rest", "request", method="POST", route="POST events", number=1, peer=50001)
    trial = added(raised(GOOD, error), gave_up, after="run-called")
    assert verdicts([answered, *trial]) == found


# -- the disk of the server's machine is full


def full(*after: Any, upto: str = "run-started") -> Trial:
    """From the run on, and what comes of it."""
    until = next(n for n, entry in enumerate(GOOD) if entry.what == upto) + 1
    return [
        *GOOD[:until],
        at(305, "server", "disk-filled", for_ms=1_000.0),
        *after,
        *(entry for entry in GOOD if entry.what.startswith("close-")),
    ]


def over(status: str, *, written: bool = False) -> Trial:
    told = [] if written else [at(311, "server", "unsaved")]
    assigned = at(310, "server", "status", status=status, run=1)
    return [assigned, at(310, "server", "run-ended", run=1, status=status), *told]


def test_whoever_raises_where_nothing_could_be_written_has_a_reason() -> None:
    assert verdicts(full(*over("running"), RAISED)) == EXPLAINED
    assert verdicts(full(*over("running", written=True), RAISED)) == ("spurious-error",)
    assert verdicts(full(*over("error"), RAISED)) == OK


def test_who_goes_by_what_is_written_need_not_know_of_a_failure() -> None:
    returned = at(1_400, "client", "run-returned", call=1)
    assert verdicts(full(*over("error"), returned)) == OK
    assert verdicts(full(*over("error", written=True), returned)) == ("spurious-error",)


def test_how_soon_an_end_is_found_that_nobody_tells_is_nobodys_affair() -> None:
    late = at(30_000, "client", "run-raised", call=1, error="RuntimeError: error")
    assert verdicts(full(*over("error"), late)) == OK
    assert verdicts(full(*over("error", written=True), late)) == ("stall",)


def test_a_server_that_says_for_ever_that_a_run_goes_on_is_the_one_that_holds_it_up() -> None:
    for status, fact in (("running", "left-unsaved"), ("error", "never-returned")):
        trial = full(*over(status))
        found = judge(Schedule("s"), trial, outcome_of(trial))
        assert [entry.fact for entry in found.evidence] == [fact]


def test_a_request_to_run_that_the_server_fails_at_is_a_reason() -> None:
    request = at(130, "rest", "request", method="POST", route="POST run", number=9)
    filled = at(120, "server", "disk-filled", for_ms=1_000.0)
    for before, status, found in (
        ([filled], 500, EXPLAINED),
        ([filled], 409, ("spurious-error",)),
        ([], 500, ("spurious-error",)),
    ):
        answer = at(140, "rest", "answer", number=9, status=status)
        trial = raised(GOOD, "RuntimeError: 500")
        assert verdicts(added(trial, *before, request, answer, after="run-called")) == found
