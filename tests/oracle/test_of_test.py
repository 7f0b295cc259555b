"""The verdict of one repetition of a test, by hand."""

import pytest

from race_harness.model.evidence import Evidence
from race_harness.model.outcome import CallOutcome, Void
from race_harness.model.repetition import PhaseReport, Raised, Repetition, ThreadDeath
from race_harness.model.trace import Happening
from race_harness.oracle.of_test import judge_repetition, returned_early

ERROR = Raised("ValueError: 7", "f: raise")
SETUP, CALL, TEARDOWN = (PhaseReport(phase, "passed") for phase in ("setup", "call", "teardown"))
GOOD = (SETUP, CALL, TEARDOWN)
FAILED = PhaseReport("call", "failed", ERROR)
DEATH = ThreadDeath("worker", ERROR)


def verdicts(repetition):
    judged = judge_repetition(repetition)
    return "void" if isinstance(judged, Void) else " ".join(judged.verdicts)


@pytest.mark.parametrize(
    ("repetition", "expected"),
    [
        (Repetition(GOOD), "ok"),
        (Repetition((SETUP, FAILED, TEARDOWN)), "failed"),
        (Repetition((SETUP, CALL, PhaseReport("teardown", "failed", ERROR))), "error"),
        (Repetition((SETUP, FAILED, PhaseReport("teardown", "failed", ERROR))), "failed error"),
        (Repetition(GOOD, (DEATH,)), "thread-died"),
        (Repetition((SETUP, FAILED, TEARDOWN), (DEATH, DEATH)), "failed thread-died"),
        # What it raised when it was stopped is that it was stopped.
        (Repetition((SETUP, FAILED), stopped="deadlock"), "hang"),
        (Repetition((SETUP, CALL), stopped="deadlock"), "hang"),
        (Repetition((PhaseReport("setup", "skipped"), TEARDOWN)), "void"),
        (Repetition((PhaseReport("setup", "failed", ERROR), TEARDOWN)), "void"),
        (Repetition((PhaseReport("setup", "failed", ERROR),), stopped="deadlock"), "void"),
        (Repetition((SETUP, PhaseReport("call", "skipped"), TEARDOWN)), "void"),
        (Repetition((SETUP,)), "void"),
        (Repetition(()), "void"),
    ],
)
def test_verdicts(repetition, expected):
    assert verdicts(repetition) == expected


def test_a_setup_that_hangs_says_so():
    void = judge_repetition(Repetition((PhaseReport("setup", "failed", ERROR),), stopped="dead"))
    assert void.says == "its setup never ended (dead)"


def test_threads_that_are_left_are_a_note():
    assert judge_repetition(Repetition(GOOD, left=("a", "b"))).notes == (
        "threads that the test left behind: a, b",
    )


def test_causes_are_type_and_line_whatever_the_values():
    def cause(error, where="f: raise"):
        raised = PhaseReport("call", "failed", Raised(error, where))
        return judge_repetition(Repetition((SETUP, raised, TEARDOWN))).cause

    assert cause("AssertionError: assert 1 == 2") == cause("AssertionError: assert {} == 'x'")
    assert cause("AssertionError: x") != cause("KeyError: x")
    assert cause("KeyError: x") != cause("KeyError: x", "g: raise")


def happenings(*told):
    """Of one conversation, a millisecond apart: `persisted X`, `run-returned`, and so on."""
    lanes = {"persisted": "server", "run-called": "client", "run-returned": "client"}
    details = {
        "persisted": lambda name: {"event": name, "kind": "ActionEvent", "run": 1},
        "run-ended": lambda _: {"run": 1, "status": "finished"},
        "snapshot": lambda _: {"run": 1, "status": "finished"},
        "run-accepted": lambda _: {"run": 1},
        "run-started": lambda _: {"run": 1},
    }
    made = []
    for number, text in enumerate(told):
        what, _, name = text.partition(" ")
        detail = details.get(what, lambda _: {"call": 1})(name)
        made.append(Happening(number * 1_000_000, lanes.get(what, "server"), what, detail))
    return made


BEGUN = ("run-called", "run-accepted", "run-started", "persisted a")
OVER = ("run-ended", "persisted b", "snapshot")


@pytest.mark.parametrize(
    ("told", "visible", "facts"),
    [
        ((*BEGUN, *OVER, "run-returned"), "ab", []),
        ((*BEGUN, *OVER, "run-returned"), "a", ["1 event"]),
        ((*BEGUN, *OVER, "run-returned"), "", ["2 events"]),
        # What comes after the snapshot, nobody has to wait for.
        ((*BEGUN, *OVER, "persisted c", "run-returned"), "ab", []),
        ((*BEGUN, "run-returned", *OVER), "a", ["was still going on"]),
        ((*BEGUN, "run-returned", *OVER), "", ["was still going on", "1 event"]),
        (("run-called", "run-accepted", "run-returned", *BEGUN[2:], *OVER), "", ["had not begun"]),
    ],
)
def test_a_call_that_returns_too_early(told, visible, facts):
    calls = [CallOutcome(1, "returned", visible=tuple(visible))]
    found = [*returned_early(happenings(*told), calls)]
    assert [entry.verdict for entry in found] == ["early"] * len(facts)
    assert all(fact in entry.says for fact, entry in zip(facts, found, strict=True))


def test_an_early_call_is_told_beside_what_the_test_says():
    early = Evidence("early", "run-not-over", begun=True)
    assert verdicts(Repetition(GOOD, early=(early,))) == "early"
    assert verdicts(Repetition((SETUP, FAILED, TEARDOWN), early=(early,))) == "failed early"


def test_a_pass_where_there_was_nothing_to_watch_is_void():
    judged = judge_repetition(Repetition(GOOD, unwatched="no run()"))
    assert (judged.kind, judged.says) == ("unwatched", "no run()")
    assert verdicts(Repetition((SETUP, FAILED, TEARDOWN), unwatched="no run()")) == "failed"
