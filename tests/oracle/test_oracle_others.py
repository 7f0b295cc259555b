"""What others do in the conversation: what it excuses, and what not."""

import pytest
from oracle_rig import (
    EXPLAINED,
    GOOD,
    OK,
    Trial,
    added,
    at,
    changed,
    moved,
    persisted,
    raised,
    seen,
    verdicts,
    without,
)


def run_of_other(begins_ms: float, ends_ms: float, status: str = "finished") -> Trial:
    """All that a server tells of it, but its events."""
    return [
        at(begins_ms, "server", "run-accepted", run=2, other=True),
        at(begins_ms, "server", "run-started", run=2),
        at(ends_ms, "server", "run-ended", run=2, status=status),
        at(ends_ms, "server", "run-cleared", run=2),
        at(ends_ms, "server", "snapshot", status=status, run=2),
    ]


def with_run(trial: Trial, *happenings: object) -> Trial:
    return sorted([*trial, *happenings], key=lambda happening: happening.at_ns)  # type: ignore[attr-defined]


def test_somebody_elses_run_is_nobodys_call() -> None:
    trial = with_run(GOOD, *run_of_other(500, 700))
    assert verdicts(trial) == OK
    # Returning before one's own has ended is early all the same.
    early = moved(trial, "run-ended 1", after="run-returned")
    assert verdicts(early) == ("early",)


def test_whose_run_it_was_that_failed_nobody_can_tell() -> None:
    failing = run_of_other(305, 308, "error")
    error = "RunFailedError: the run ended in error"
    during = raised(with_run(GOOD, *failing), error)
    assert verdicts(during) == OK
    afterwards = raised(with_run(GOOD, *run_of_other(500, 700, "error")), error)
    assert verdicts(afterwards) == ("spurious-error",)
    # And one that returns has its own run to go by.
    assert verdicts(with_run(GOOD, *failing)) == OK


def late(trial: Trial, by_ms: float) -> Trial:
    """The call of run() and all that comes after it ends so much later."""
    place = next(n for n, each in enumerate(trial) if each.what == "run-returned")
    moved_on = [
        at(each.at_ns / 1e6 + by_ms, each.lane, each.what, **each.detail) for each in trial[place:]
    ]
    return [*trial[:place], *moved_on]


def test_who_waits_through_somebody_elses_run_is_not_late() -> None:
    alone = late(GOOD, 20_000)
    assert verdicts(alone) == ("stall",)
    assert verdicts(with_run(alone, *run_of_other(305, 20_200))) == OK
    # Also where that one is still going on.
    assert verdicts(with_run(alone, *run_of_other(305, 20_400))) == OK
    assert verdicts(with_run(alone, *run_of_other(305, 400))) == ("stall",)


def test_a_refusal_of_somebody_else_is_none_of_the_callers() -> None:
    refused = at(200, "server", "run-refused", status=409, other=True)
    assert verdicts(with_run(GOOD, refused)) == OK
    # Were it the caller's own, it had no run of its own to be blamed for.
    unrun = without(
        GOOD, "run-accepted 1", "run-started 1", "run-ended 1", "run-cleared 1", "snapshot 1"
    )
    assert verdicts(with_run(unrun, refused)) == ("unrun",)


def test_somebody_elses_message_has_to_be_seen_like_any() -> None:
    message = persisted(200, "theirs", other=True)
    assert verdicts(with_run(GOOD, message, *seen(201, "theirs"))) == OK
    assert verdicts(with_run(GOOD, message, *seen(400, "theirs"))) == ("late", "out-of-order")
    assert verdicts(with_run(GOOD, message)) == ("lost",)


TAIL: Trial = [
    *GOOD[:-2],
    persisted(401, "message-2"),
    *seen(402, "message-2"),
    at(410, "client", "run-called", call=2),
    at(411, "server", "run-refused", status=409),
    at(610, "client", "run-returned", call=2),
    *GOOD[-2:],
]
"""The second call gets 409 after the end of the first run, and returns."""


def test_nobody_is_asked_to_run_for_somebody_elses_message() -> None:
    assert verdicts(TAIL) == ("unrun",)
    assert verdicts(changed(TAIL, "persisted message-2", other=True)) == OK


def test_a_run_without_its_acceptance_is_no_run() -> None:
    cleared = at(200, "server", "run-cleared", run=7)
    assert verdicts(added(GOOD, cleared, after="run-started 1")) == OK


@pytest.mark.parametrize(
    ("away", "found"),
    [
        (("frozen", 1), EXPLAINED),
        # It says nothing of an error from before it.
        (("frozen", 3), ("spurious-error",)),
        (("clock-stepped", 1), ("spurious-error",)),
    ],
    ids=["before", "after", "never away"],
)
def test_a_server_that_was_away_explains_why_another_client_cannot_come(
    away: tuple[str, float], found: tuple[str, ...]
) -> None:
    what, ms = away
    detail = {"for_ms": 1} if what == "frozen" else {"by_ms": 1.0}
    failed = at(2, "watcher", "attach-failed", client=2, error="ValidationError: no such field")
    both = sorted([failed, at(ms, "server", what, **detail)], key=lambda each: each.at_ns)
    assert verdicts([*both, *GOOD]) == found
