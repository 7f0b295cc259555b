"""The verdict of one repetition of a test, by hand."""

import pytest

from race_harness.model.outcome import Void
from race_harness.model.repetition import PhaseReport, Raised, Repetition, ThreadDeath
from race_harness.oracle.of_test import judge_repetition

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
