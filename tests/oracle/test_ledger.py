"""The ledger: which run, which requests and which faults belong to which call."""

from typing import Any

import pytest
from oracle_rig import GOOD, TWICE, Trial, added, at, moved, persisted, position, without

from race_harness.oracle.bookkeeping import ledger_of


def test_two_calls_have_their_own_runs_and_times() -> None:
    ledger = ledger_of(TWICE)
    one, two = ledger.calls[1], ledger.calls[2]
    assert [entry.run.number if entry.run else None for entry in (one, two)] == [1, 2]
    assert (one.called_ns, one.ended_ns) == (110_000_000, 310_000_000)
    assert (two.called_ns, two.ended_ns) == (410_000_000, 610_000_000)
    assert (one.called, one.ended) == (
        position(TWICE, "run-called"),
        position(TWICE, "run-returned"),
    )
    assert ledger.returned_ns == two.ended_ns
    assert ledger.settled_ns == 10_310_000_000
    assert [one.refused, two.refused] == [False, False]


def test_a_run_is_done_with_its_own_snapshot_or_else_its_last_status() -> None:
    run = ledger_of(GOOD).runs[1]
    assert (run.started, run.ended) == (
        position(GOOD, "run-started 1"),
        position(GOOD, "run-ended 1"),
    )
    assert (run.done, run.done_ns) == (position(GOOD, "snapshot 1"), 304_000_000)
    assert run.status == "finished"
    without_one = without(GOOD, "snapshot 1")
    run = ledger_of(without_one).runs[1]
    assert run.done == position(without_one, "run-ended 1")
    # A pause's own snapshot, or a subscriber's, is no run's.
    other = at(305, "server", "snapshot", status="paused", run=None)
    assert ledger_of(added(GOOD, other, after="snapshot 1")).runs[1].done_ns == 304_000_000


def test_the_last_end_of_a_run_counts() -> None:
    """A message between `finished` and the next look at it revives a run."""
    again = at(303.5, "server", "run-ended", run=1, status="stuck")
    run = ledger_of(added(GOOD, again, after="visible observation")).runs[1]
    assert (run.status, run.ended) == ("stuck", position(GOOD, "visible observation") + 1)


CALLS = [
    at(1, "client", "run-called", call=1),
    at(2, "client", "run-called", call=2),
]


def accepted(run: int, at_ms: float = 3) -> Any:
    return at(at_ms, "server", "run-accepted", run=run)


REFUSED = at(4, "server", "run-refused", status=409)


def runs_of(*happenings: Any) -> list[int | None]:
    calls = ledger_of(happenings).calls.values()
    return [call.run.number if call.run else None for call in calls]


def test_a_run_belongs_to_the_first_open_call_without_one() -> None:
    assert runs_of(*CALLS) == [None, None]
    assert runs_of(*CALLS, accepted(1)) == [1, None]
    assert runs_of(*CALLS, accepted(1), accepted(2)) == [1, 2]
    ended = at(2.5, "client", "run-returned", call=1)
    assert runs_of(*CALLS, ended, accepted(1)) == [None, 1]


def test_a_request_may_arrive_when_its_call_has_returned() -> None:
    ended = at(2.5, "client", "run-raised", call=1, error="x")
    assert runs_of(CALLS[0], ended, accepted(1)) == [1]


def test_one_that_was_refused_may_ask_again() -> None:
    assert runs_of(*CALLS, accepted(1), REFUSED) == [1, 1]
    ledger = ledger_of([*CALLS, accepted(1), REFUSED])
    assert [call.refused for call in ledger.calls.values()] == [False, True]
    assert runs_of(*CALLS, accepted(1), REFUSED, accepted(2)) == [1, 2]
    ledger = ledger_of([*CALLS, accepted(1), REFUSED, accepted(2)])
    assert [call.refused for call in ledger.calls.values()] == [False, False]


@pytest.mark.parametrize("status", [400, 404, 429])
def test_only_a_409_tells_of_a_run(status: int) -> None:
    refused = at(4, "server", "run-refused", status=status)
    assert runs_of(accepted(1, 0), CALLS[0], refused) == [None]
    # Nor does one without any run at all.
    assert runs_of(CALLS[0], REFUSED) == [None]


def test_a_call_keeps_the_run_that_it_was_refused_for() -> None:
    before = [accepted(1, 0), at(0.5, "server", "run-started", run=1), CALLS[0], REFUSED]
    for happenings, run in ((before, 1), ([*before, accepted(2)], 2)):
        call = ledger_of(happenings).calls[1]
        assert call.run is not None
        assert call.refused_for is not None
        assert (call.run.number, call.refused_for.number) == (run, 1)
    assert ledger_of([CALLS[0], accepted(1)]).calls[1].refused_for is None


def test_requests_and_faults_belong_to_every_call_that_is_open() -> None:
    def asks(number: int) -> list[Any]:
        route = "GET conversation"
        return [
            at(5, "rest", "request", method="GET", route=route, number=number),
            at(5, "rest", "fault", action="status", number=number),
            at(6, "rest", "answer", number=number, status=503),
        ]

    reset = at(7, "network", "fault", action="reset", link="rest", peer=1)
    ends = [at(8, "client", "run-returned", call=call) for call in (1, 2)]
    happenings = [*asks(1), CALLS[0], *asks(2), CALLS[1], *asks(3)]
    happenings += [ends[0], *asks(4), reset, ends[1], *asks(5)]
    one, two = ledger_of(happenings).calls.values()
    assert list(one.requests) == [2, 3]
    assert list(two.requests) == [3, 4]
    assert [(r.status, r.fault, r.route) for r in two.requests.values()] == [
        (503, "status", "GET conversation")
    ] * 2
    assert (one.network_fault, two.network_fault) == (False, True)


def test_an_answer_after_the_call_is_none_of_it() -> None:
    happenings = [
        CALLS[0],
        at(2, "rest", "request", method="GET", route="GET conversation", number=1),
        at(3, "client", "run-raised", call=1, error="x"),
        at(4, "rest", "answer", number=1, status=200),
    ]
    (request,) = ledger_of(happenings).calls[1].requests.values()
    assert request.status is None


def test_a_fault_of_the_socket_is_none_of_rest() -> None:
    fault = at(2, "network", "fault", action="reset", link="socket", peer=1)
    assert not ledger_of([CALLS[0], fault]).calls[1].network_fault


def test_an_event_is_followed_from_its_first_step_of_each_kind() -> None:
    trial: Trial = [
        at(1, "socket", "frame-sent", event="e", kind="X", peer=1),
        persisted(2, "e"),
        at(3, "socket", "frame-sent", event="e", kind="X", peer=2),
        at(4, "socket", "frame-delivered", event="e", peer=1),
        at(5, "client", "visible", event="e"),
        at(6, "client", "visible", event="other"),
    ]
    entry = ledger_of(trial).log["e"]
    assert entry.sent == 0  # Up to 1.44 before it was persisted.
    assert entry.facts() == {
        "id": "e",
        "kind": "MessageEvent",
        "persisted_ms": 2.0,
        "published_ms": 1.0,
        "delivered_ms": 4.0,
        "visible_ms": 5.0,
    }
    assert list(ledger_of(trial).log) == ["e"]


def test_the_users_messages_are_those_of_no_run() -> None:
    trial = [persisted(1, "mine"), persisted(2, "agents", run=1), persisted(3, "x", "ActionEvent")]
    assert ledger_of(trial).messages == {0: "mine"}


def test_the_status_at_each_calls_end_is_kept() -> None:
    status = at(305, "server", "status", status="paused", run=None)
    ledger = ledger_of(added(TWICE, status, after="snapshot 1"))
    assert [call.status for call in ledger.calls.values()] == ["paused", "paused"]
    assert [call.paused for call in ledger.calls.values()] == [
        position(TWICE, "snapshot 1") + 1,
        None,
    ]
    moved_on = moved(added(GOOD, status, after="snapshot 1"), "run-returned", after="snapshot 1")
    assert ledger_of(moved_on).calls[1].status == "idle"


def test_the_first_close_counts() -> None:
    acts = [at(n, "client", "act-called", act=act) for n, act in enumerate(("pause", "close"))]
    again = at(5, "client", "act-called", act="close")
    assert ledger_of([*acts, again]).closed == 1
    assert ledger_of(acts[:1]).closed is None
    # The program's own, at the end, is none of these.
    assert ledger_of(GOOD).closed is None


def test_the_first_subscription_counts() -> None:
    again = at(200, "socket", "subscribed", peer=2)
    assert ledger_of(added(GOOD, again, after="run-started 1")).subscribed == 0
    assert ledger_of(without(GOOD, "subscribed")).subscribed is None
