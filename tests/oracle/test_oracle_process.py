"""The oracle on a server that dies, and on one whose disk is full."""

from typing import Any

import pytest
from oracle_rig import (
    EXPLAINED,
    GOOD,
    OK,
    Trial,
    added,
    at,
    judgement,
    outcome_of,
    raised,
    seen,
    verdicts,
)

from race_harness.model.schedule import (
    Schedule,
)
from race_harness.oracle.judge import judge

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
