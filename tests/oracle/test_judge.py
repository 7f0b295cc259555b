"""The oracle: for each verdict a trial that deserves it, and its neighbour that does not.

A trial is a list of happenings in which every event comes to the callback and then to
`state.events`. A test changes one thing about it. What the caller saw is read off the list.
"""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracle_rig import (
    EXPLAINED,
    GOOD,
    OK,
    Trial,
    added,
    at,
    changed,
    given_to_callback,
    judgement,
    moved,
    outcome_of,
    persisted,
    position,
    raised,
    seen,
    verdicts,
    visible,
    without,
)

from race_harness.model.schedule import Caller, Fault, Link, Network, Schedule
from race_harness.model.trace import Happening
from race_harness.model.verdict import MEANINGS, ORDER, Judgement
from race_harness.oracle.judge import judge


def test_a_right_trial_is_ok() -> None:
    assert judgement(GOOD) == Judgement(OK)


# late


def test_visible_one_position_after_the_return_is_late() -> None:
    trial = moved(GOOD, "visible observation", after="run-returned")
    found = judgement(trial)
    assert found.verdicts == ("late",)
    (evidence,) = found.evidence
    assert evidence.says.startswith("1 event ")
    (event,) = evidence.events
    assert event["id"] == "observation"
    assert event["kind"] == "ObservationEvent(finish)"
    assert event["persisted_ms"] == 302
    assert event["visible_ms"] == 310


def test_visible_one_position_before_the_return_is_in_time() -> None:
    trial = moved(GOOD, "run-returned", after="visible observation")
    assert verdicts(trial) == OK


def test_what_is_persisted_one_position_after_the_return_cannot_be_late() -> None:
    late = added(GOOD, persisted(310, "title", run=1), after="run-cleared 1")
    late = added(late, *seen(311, "title"), after="run-returned")
    assert verdicts(late) == ("late",)
    assert verdicts(moved(late, "persisted title", after="run-returned")) == OK


# early and unrun


def test_the_run_ending_one_position_after_the_return_is_early() -> None:
    trial = moved(GOOD, "run-ended 1", after="run-returned")
    found = judgement(trial)
    assert found.verdicts == ("early",)
    assert "still going on" in found.evidence[0].says


def test_the_run_ending_one_position_before_the_return_is_not_early() -> None:
    trial = moved(GOOD, "run-returned", after="visible observation")
    assert verdicts(moved(trial, "run-ended 1", after="visible observation")) == OK


def test_a_run_that_never_ends_is_early() -> None:
    assert verdicts(without(GOOD, "run-ended 1")) == ("early",)


def test_a_run_that_had_not_begun_is_early() -> None:
    trial = moved(GOOD, "run-ended 1", after="run-returned")
    found = judgement(moved(trial, "run-started 1", after="run-returned"))
    assert found.verdicts == ("early",)
    assert "had not begun" in found.evidence[0].says


def test_a_request_that_arrives_after_the_return_is_early_where_its_run_begins() -> None:
    trial = GOOD
    for which in ("run-ended 1", "run-started 1", "run-accepted 1", "run-requested"):
        trial = moved(trial, which, after="run-returned")
    assert verdicts(trial) == ("early",)


def test_a_run_accepted_and_never_begun_is_unrun() -> None:
    trial = without(GOOD, "run-started 1", "run-ended 1", "run-cleared 1")
    assert verdicts(trial) == ("unrun",)


def test_a_run_never_even_accepted_is_unrun() -> None:
    trial = without(GOOD, "run-accepted 1", "run-started 1", "run-ended 1", "run-cleared 1")
    assert verdicts(without(trial, "snapshot 1")) == ("unrun",)


ANOTHER_RUN_FIRST: Trial = [
    GOOD[0],
    at(2, "server", "run-accepted", run=7),
    at(2, "server", "run-started", run=7),
    *GOOD[1:],
]


def test_a_run_from_before_the_call_does_not_count() -> None:
    ended = added(
        ANOTHER_RUN_FIRST,
        at(50, "server", "run-ended", run=7, status="error"),
        after="run-started 7",
    )
    assert verdicts(ended) == OK
    own = ("run-accepted 1", "run-started 1", "run-ended 1", "run-cleared 1", "snapshot 1")
    assert verdicts(without(ended, *own)) == ("unrun",)


def refused_with_409() -> Trial:
    """Another run is going on when `run()` is called, and the caller is told so."""
    own = ("run-accepted 1", "run-started 1", "run-ended 1", "run-cleared 1", "snapshot 1")
    trial = without(ANOTHER_RUN_FIRST, *own)
    return added(trial, at(111, "server", "run-refused", status=409), after="run-requested")


def test_after_a_409_the_run_in_progress_is_the_one_to_wait_for() -> None:
    end = at(305, "server", "run-ended", run=7, status="finished")
    assert verdicts(added(refused_with_409(), end, after="visible observation")) == OK
    assert verdicts(added(refused_with_409(), end, after="run-returned")) == ("early",)
    assert verdicts(refused_with_409()) == ("early",)


def test_after_a_409_the_newest_run_is_the_one_to_wait_for() -> None:
    older = [
        at(1, "server", "run-accepted", run=6),
        at(1, "server", "run-started", run=6),
        at(1, "server", "run-ended", run=6, status="finished"),
    ]
    assert verdicts(added(refused_with_409(), *older, after="subscribed")) == ("early",)


def test_a_run_accepted_after_a_409_counts_instead() -> None:
    trial = added(
        refused_with_409(),
        at(200, "server", "run-accepted", run=8),
        at(201, "server", "run-started", run=8),
        at(302, "server", "run-ended", run=8, status="finished"),
        after="answer 1",
    )
    assert verdicts(trial) == OK


def test_who_asks_again_after_a_409_may_return_with_the_run_it_was_refused_for() -> None:
    """Its message was that run's; the other one has nothing to do and may not have begun yet."""
    refused = refused_with_409()
    again = at(303, "server", "run-accepted", run=8)
    ended = at(302, "server", "run-ended", run=7, status="finished")
    assert verdicts(added(refused, ended, again, after="visible observation")) == OK
    # With neither of them over it is too early.
    assert "early" in verdicts(
        added(
            refused,
            again,
            at(304, "server", "run-started", run=8),
            after="visible observation",
        )
    )


# lost


def test_what_never_becomes_visible_is_lost() -> None:
    found = judgement(without(GOOD, "visible observation"))
    assert found.verdicts == ("lost",)
    assert [event["id"] for event in found.evidence[0].events] == ["observation"]


@pytest.mark.parametrize(
    ("before_the_end_ms", "expected"), [(5_001, ("lost",)), (5_000, ("lost",)), (4_999, OK)]
)
def test_what_is_persisted_just_before_the_settle_end_is_not_lost(
    before_the_end_ms: float, expected: tuple[str, ...]
) -> None:
    trial = added(GOOD, persisted(10_310 - before_the_end_ms, "title"), after="run-returned")
    assert verdicts(trial) == expected


def test_a_short_settle_time_excuses_nothing_from_before_the_return() -> None:
    trial = without(GOOD, "close-called", "close-returned")
    trial.append(at(311, "client", "close-called"))
    assert verdicts(trial) == OK
    assert verdicts(without(trial, "visible observation")) == ("lost",)


def test_what_is_lost_is_judged_after_an_error_too() -> None:
    trial = changed(raised(GOOD, "RuntimeError: LLM"), "run-ended 1", status="error")
    assert verdicts(trial) == OK
    assert verdicts(without(trial, "visible action")) == ("lost",)


# spurious-error


def test_raising_although_the_run_did_not_fail_is_spurious() -> None:
    found = judgement(raised(GOOD, "RuntimeError: still running"))
    assert found.verdicts == ("spurious-error",)
    assert "still running" in found.evidence[0].says


@pytest.mark.parametrize("status", ["error", "stuck"])
def test_raising_because_the_run_failed_is_right_and_returning_is_not(status: str) -> None:
    failed = changed(GOOD, "run-ended 1", status=status)
    assert verdicts(raised(failed, "RuntimeError: LLM")) == OK
    found = judgement(failed)
    assert found.verdicts == ("spurious-error",)
    assert status in found.evidence[0].says


@pytest.mark.parametrize(
    ("after", "run", "expected"),
    [
        ("run-accepted 1", None, OK),
        ("run-started 1", 1, ("spurious-error",)),
        # A server may not say whose status it is.
        ("run-started 1", None, ("spurious-error",)),
    ],
)
def test_a_status_from_before_is_not_what_a_run_ended_in(
    after: str, run: int | None, expected: tuple[str, ...]
) -> None:
    """A run that is interrupted while the agent starts assigns none."""
    failed = changed(GOOD, "run-ended 1", status="error")
    trial = added(failed, at(111, "server", "status", status="error", run=run), after=after)
    assert verdicts(trial) == expected
    # Who reads the status and raises has reason to.
    assert verdicts(raised(trial, "RuntimeError: LLM")) == OK


@pytest.mark.parametrize("status", ["finished", "paused"])
def test_returning_where_the_run_did_not_fail_is_right(status: str) -> None:
    assert verdicts(changed(GOOD, "run-ended 1", status=status)) == OK


def later(trial: Trial, which: str, at_ms: float) -> Trial:
    """With one happening, and all behind it, no sooner than that."""
    place = position(trial, which)
    at_ns = round(at_ms * 1e6)
    return [
        *trial[:place],
        *(replace(happening, at_ns=max(happening.at_ns, at_ns)) for happening in trial[place:]),
    ]


def test_a_timeout_of_its_own_excuses_while_the_run_goes_on() -> None:
    gives_up = raised(GOOD, "ConversationRunError: 1 <- TimeoutError: 3600 s")
    assert verdicts(moved(gives_up, "run-ended 1", after="run-raised")) == EXPLAINED
    # It may not have looked since the end; but not for long.
    assert verdicts(gives_up) == EXPLAINED
    assert verdicts(later(gives_up, "run-raised", 10_500)) == ("spurious-error",)


def test_a_request_never_answered_excuses() -> None:
    assert verdicts(raised(without(GOOD, "answer 1"), "ReadError: reset")) == EXPLAINED


def test_a_request_from_after_the_error_excuses_nothing() -> None:
    poll = at(320, "rest", "request", method="GET", route="GET conversation", number=2)
    trial = added(raised(GOOD, "ReadError: reset"), poll, after="run-raised")
    assert verdicts(trial) == ("spurious-error",)


def test_an_answer_that_came_after_the_error_does_not_make_it_spurious() -> None:
    late = moved(GOOD, "answer 1", after="run-returned")
    assert verdicts(raised(late, "ReadTimeout")) == EXPLAINED


def fault(link: str) -> Happening:
    return at(200, "network", "fault", action="reset", link=link, peer=1)


def test_a_fault_of_rest_excuses() -> None:
    trial = added(GOOD, fault("rest"), after="run-started 1")
    assert verdicts(raised(trial, "ReadError: reset")) == EXPLAINED


def test_a_fault_of_the_socket_excuses_nothing() -> None:
    trial = added(GOOD, fault("socket"), after="run-started 1")
    assert verdicts(raised(trial, "ReadError: reset")) == ("spurious-error",)


def test_a_fault_from_after_the_error_excuses_nothing() -> None:
    trial = added(raised(GOOD, "ReadError: reset"), fault("rest"), after="run-raised")
    assert verdicts(trial) == ("spurious-error",)


# callbacks and order


def test_an_event_without_a_callback_is_missed() -> None:
    found = judgement(without(GOOD, "callback action"))
    assert found.verdicts == ("missed-callback",)
    assert [event["id"] for event in found.evidence[0].events] == ["action"]


def test_a_callback_that_comes_while_settling_is_not_missed() -> None:
    assert verdicts(moved(GOOD, "callback observation", after="run-returned")) == OK


def test_history_needs_no_callback() -> None:
    missed = without(GOOD, "callback message")
    assert verdicts(missed) == ("missed-callback",)
    assert verdicts(moved(missed, "persisted message", after="subscribed")) == ("missed-callback",)
    assert verdicts(moved(missed, "subscribed", after="persisted message")) == OK


def test_history_counts_from_the_first_subscription() -> None:
    again = at(200, "socket", "subscribed", peer=2)
    trial = [*GOOD[:-3], again, *GOOD[-3:]]
    assert verdicts(trial) == OK
    assert verdicts(without(trial, "callback action")) == ("missed-callback",)


def test_no_callback_for_what_is_persisted_just_before_the_settle_end_is_not_missed() -> None:
    title = [persisted(10_300, "title"), visible(10_301, "title")]
    assert verdicts(added(GOOD, *title, after="run-returned")) == OK
    title = [persisted(400, "title"), visible(10_301, "title")]
    assert verdicts(added(GOOD, *title, after="run-returned")) == ("missed-callback",)


def test_a_second_callback_for_one_event_is_a_duplicate() -> None:
    trial = added(GOOD, given_to_callback(302, "action"), after="visible action")
    found = judgement(trial)
    assert found.verdicts == ("duplicate-callback",)
    assert [event["id"] for event in found.evidence[0].events] == ["action"]


def test_callbacks_for_what_is_not_in_the_log_may_repeat() -> None:
    snapshots = [given_to_callback(305, "full-state"), given_to_callback(305, "full-state")]
    assert verdicts(added(GOOD, *snapshots, after="snapshot 1")) == OK


def test_callbacks_in_another_order_than_the_log() -> None:
    found = judgement(moved(GOOD, "callback action", after="visible observation"))
    assert found.verdicts == ("out-of-order",)
    assert found.evidence[0].says.startswith("callbacks came")
    assert [event["id"] for event in found.evidence[0].events] == ["action"]


def test_state_events_in_another_order_than_the_log() -> None:
    found = judgement(moved(GOOD, "visible action", after="visible observation"))
    assert found.verdicts == ("out-of-order",)
    assert found.evidence[0].says.startswith("state.events is")


def test_all_that_came_after_a_later_event_is_named() -> None:
    trial = moved(GOOD, "visible observation", after="persisted message")
    found = judgement(trial)
    assert found.verdicts == ("out-of-order",)
    assert [event["id"] for event in found.evidence[0].events] == ["message", "action"]


def test_seen_before_it_was_persisted_is_in_order() -> None:
    """Servers up to 1.44 publish first."""
    trial = moved(GOOD, "persisted observation", after="visible observation")
    assert verdicts(trial) == OK


def test_order_is_that_of_the_log_however_late_an_event_comes() -> None:
    trial = moved(GOOD, "visible action", after="callback observation")
    assert verdicts(moved(trial, "callback action", after="persisted observation")) == OK


# stall


SLOW = Schedule(
    "by-hand",
    network=Network(
        rest=Link(100.0, 10.0),
        socket=Link(200.0, 20.0),
        faults=(Fault("stall", for_ms=5_000.0), Fault("reset", for_ms=77_000.0)),
    ),
    caller=Caller(callback_ms=1_000.0),
)
"""Adds four times the links' 330 ms, the stall's 5 s and 1 s for each of three callbacks."""


def returning(delay_ns: int) -> Trial:
    """The server is done with the snapshot; `run()` returns so much later."""
    done_ns = GOOD[position(GOOD, "snapshot 1")].at_ns
    place = position(GOOD, "run-returned")
    return [
        *GOOD[:place],
        replace(GOOD[place], at_ns=done_ns + delay_ns),
        at(60_000, "client", "close-called"),
    ]


@pytest.mark.parametrize(
    ("schedule", "limit_ms"),
    [
        (Schedule("by-hand", network=Network(Link(0.0), Link(0.0))), 10_000),
        (Schedule("by-hand"), 10_004),
        (SLOW, 10_000 + 4 * 330 + 5_000 + 3 * 1_000),
    ],
    ids=["no delays", "benign", "slow"],
)
def test_a_stall_is_more_than_ten_seconds_beyond_the_schedules_own_delays(
    schedule: Schedule, limit_ms: int
) -> None:
    assert verdicts(returning(limit_ms * 1_000_000), schedule) == OK
    found = judgement(returning(limit_ms * 1_000_000 + 1), schedule)
    assert found.verdicts == ("stall",)
    assert f"{limit_ms / 1000:.1f} s after" in found.evidence[0].says


def test_what_a_narrow_link_takes_is_nobodys_stall() -> None:
    for busy_ms, expected in ((7_000.0, OK), (6_999.0, ("stall",))):
        trial = returning(17_004_000_000)
        busy = at(60_001, "network", "was-busy", link="rest", peer=1, for_ms=busy_ms)
        assert verdicts([*trial, busy]) == expected


def test_what_is_asked_after_the_end_may_take_the_networks_time() -> None:
    """Three requests, each of them there and back; before the end, one that counts for nothing."""
    limit_ms = 10_000 + 4 * 330 + 5_000 + 3 * 1_000 + 3 * 2 * 110
    for delay_ns, expected in ((0, OK), (1, ("stall",))):
        trial = returning(limit_ms * 1_000_000 + delay_ns)
        for number, ms in ((7, 303), (8, 304), (9, 1_000), (10, 2_000)):
            request = [
                at(ms, "rest", "request", method="GET", route="GET events", number=number),
                at(ms, "rest", "answer", number=number, status=200),
            ]
            trial = added(trial, *request, after="snapshot 1" if ms > 303 else "run-ended 1")
        assert verdicts(trial, SLOW) == expected


def test_without_a_snapshot_the_last_status_is_the_servers_end() -> None:
    trial = without(returning(10_002_000_000), "snapshot 1")
    # `run-ended` came 2 ms before the snapshot would have.
    assert verdicts(trial) == OK
    trial = without(returning(10_002_000_001), "snapshot 1")
    assert verdicts(trial) == ("stall",)


def test_a_snapshot_for_a_new_subscriber_is_not_the_servers_end() -> None:
    trial = returning(10_004_000_001)
    other = at(9_000, "server", "snapshot", status="finished")
    assert verdicts(added(trial, other, after="snapshot 1")) == ("stall",)


# hang, trailing events, several at once


def test_never_returning_is_a_hang_and_nothing_else_is_said() -> None:
    trial = without(GOOD[: position(GOOD, "run-returned")], "visible observation")
    outcome = replace(outcome_of(trial), stopped="deadlock: all threads wait")
    found = judge(Schedule("by-hand"), trial, outcome)
    assert found.verdicts == ("hang",)
    assert "deadlock: all threads wait" in found.evidence[0].says


def test_returning_at_the_last_moment_is_no_hang() -> None:
    assert "hang" not in verdicts(returning(299_000_000_000))


def test_being_stopped_while_settling_is_no_hang() -> None:
    trial = GOOD[: position(GOOD, "close-called")]
    outcome = replace(outcome_of(trial), stopped="the limit")
    assert judge(Schedule("by-hand"), trial, outcome).verdicts == OK


def test_trailing_events_are_notes() -> None:
    statistics = persisted(305, "statistics", "ConversationStateUpdateEvent", key="stats")
    lost = added(GOOD, statistics, after="snapshot 1")
    assert verdicts(lost) == ("lost",)
    assert judgement(lost).notes == ()
    found = judgement(changed(lost, "persisted statistics", trailing=True))
    assert found.verdicts == OK
    (note,) = found.notes
    assert "ConversationStateUpdateEvent(stats)" in note


def test_trailing_events_are_neither_late_nor_missed() -> None:
    trial = added(GOOD, persisted(305, "statistics", trailing=True), after="snapshot 1")
    assert verdicts(added(trial, visible(311, "statistics"), after="run-returned")) == OK


def test_several_verdicts_come_gravest_first() -> None:
    trial = without(GOOD, "visible message", "callback action")
    trial = added(trial, given_to_callback(309, "observation"), after="snapshot 1")
    trial = moved(trial, "run-ended 1", after="run-returned")
    trial = moved(trial, "visible observation", after="run-returned")
    found = judgement(trial)
    assert found.verdicts == ("lost", "early", "late", "missed-callback", "duplicate-callback")
    assert found.headline == "lost"
    assert [entry.verdict for entry in found.evidence] == list(found.verdicts)


def test_one_verdict_with_two_reasons_is_named_once() -> None:
    trial = moved(GOOD, "visible action", after="visible observation")
    trial = moved(trial, "callback action", after="callback observation")
    found = judgement(trial)
    assert found.verdicts == ("out-of-order",)
    assert len(found.evidence) == 2


def test_the_order_of_gravity() -> None:
    assert tuple(MEANINGS) == ORDER
    assert ORDER[0] == "hang"
    assert ORDER[-1] == "ok"


# any legal order


@st.composite
def orders(draw: st.DrawFn) -> Trial:
    """A right run in any order of server and client; the client may see first what is persisted
    next, and everything comes before the return except for the snapshot."""
    events = [f"e{number}" for number in range(draw(st.integers(0, 6)))]
    server = [
        at(0, "server", "run-accepted", run=1),
        at(0, "server", "run-started", run=1),
        *(persisted(0, event) for event in events),
        at(0, "server", "run-ended", run=1, status="finished"),
    ]
    client = [happening for event in events for happening in seen(0, event)]
    merged: Trial = []
    while server or client:
        first = server if not client or (server and draw(st.booleans())) else client
        merged.append(first.pop(0))
    snapshot = at(0, "server", "snapshot", status="finished", run=1)
    merged.insert(draw(st.integers(position(merged, "run-ended 1") + 1, len(merged))), snapshot)
    if draw(st.booleans()):
        merged.insert(draw(st.integers(0, len(merged))), fault("socket"))
    trial = [
        at(0, "socket", "subscribed", peer=1),
        at(0, "client", "run-called"),
        *merged,
        at(0, "client", "run-returned"),
        at(0, "client", "close-called"),
    ]
    steps = draw(st.lists(st.integers(0, 20), min_size=len(trial), max_size=len(trial)))
    times = [sum(steps[: index + 1]) for index in range(len(trial))]
    return [
        replace(happening, at_ns=time * 1_000_000)
        for happening, time in zip(trial, times, strict=True)
    ]


@given(orders())
def test_whatever_the_order_all_visible_at_the_return_is_ok(trial: Trial) -> None:
    assert verdicts(trial) == OK


@given(orders(), st.data())
def test_whatever_the_order_returning_sooner_is_found(trial: Trial, data: st.DataObject) -> None:
    last = max(
        index
        for index, happening in enumerate(trial)
        if happening.what in ("run-ended", "visible")
    )
    first = position(trial, "run-started 1")
    place = data.draw(st.integers(first + 1, last))
    (returned,) = [happening for happening in trial if happening.what == "run-returned"]
    rest = without(trial, "run-returned")
    sooner = [*rest[:place], replace(returned, at_ns=rest[place].at_ns), *rest[place:]]
    ended = position(sooner, "run-ended 1")
    expected = "early" if ended > place else "late"
    assert verdicts(sooner)[0] == expected
