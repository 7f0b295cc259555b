"""The oracle on several calls: what each is promised, and what others add meanwhile."""

from dataclasses import replace

import pytest
from oracle_rig import (
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
    Schedule,
)
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
