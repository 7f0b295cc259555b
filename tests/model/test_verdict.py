"""Which verdicts pass, and for whom."""

import pytest

from race_harness.model.evidence import Evidence
from race_harness.model.outcome import Void
from race_harness.model.verdict import ORDER, PASSING, Judgement, TrialResult, passes


@pytest.mark.parametrize(
    ("verdicts", "lenient", "strict"),
    [
        (("ok",), True, True),
        (("explained",), True, False),
        (("server-stall",), True, False),
        (("server-stall", "explained"), True, False),
        (("late",), False, False),
        (("late", "explained"), False, False),
        ((), False, False),
        (("void",), False, False),
    ],
)
def test_what_passes(verdicts: tuple[str, ...], lenient: bool, strict: bool) -> None:
    assert passes(verdicts) is lenient
    assert passes(verdicts, strict=True) is strict
    result = TrialResult(0, verdicts, "d", 1.0, 1.0)
    assert result.passed is lenient
    assert result.passes(strict=True) is strict


def test_a_void_trial_passes_for_nobody() -> None:
    void = TrialResult(0, ("ok",), "d", 1.0, 1.0, Void("unreached", "refused"))
    assert not void.passed


def test_what_passes_is_less_grave_than_what_does_not() -> None:
    assert ORDER[-len(PASSING) :] == PASSING


def test_only_a_failure_has_a_cause() -> None:
    late = Evidence("late", "seen-late")
    assert Judgement(("late",), (late,)).cause
    explained = Evidence("explained", "act-raised", act="pause()", error="OSError")
    assert not Judgement(("explained",), (explained,)).cause
    assert not Judgement(("ok",)).cause
