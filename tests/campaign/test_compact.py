"""Results that are kept compactly are the results."""

from dataclasses import replace

from race_harness.campaign.compact import CompactResults
from race_harness.model.outcome import Void
from race_harness.model.verdict import TrialResult

RESULTS = [
    TrialResult(0, ("ok",), "a" * 32, 1.5, 20.0),
    TrialResult(1, ("late", "early"), "b" * 32, 2.5, 10.0, undone=2, concerned={"late": 3}),
    TrialResult(2, (), "", 0.0, 0.1, Void("not-run", "it cannot")),
]


def test_they_come_back_in_their_order_whatever_order_they_came_in() -> None:
    kept = CompactResults(reversed(RESULTS))
    assert list(kept) == [RESULTS[0], replace(RESULTS[1], concerned={}), RESULTS[2]]
    assert kept[-1] == RESULTS[2]
    assert len(kept[1:]) == 2


def test_they_may_begin_at_any_number() -> None:
    later = [replace(result, index=result.index + 100) for result in RESULTS]
    kept = CompactResults(start=100)
    for result in later:
        kept.add(result)
    assert kept[0] == later[0]
    assert [result.index for result in kept] == [100, 101, 102]
