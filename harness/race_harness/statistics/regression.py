"""Whether a client is worse than it was: in how often it passes, and in the time that it takes.

All tests are one-sided, since better is no regression, and hold together: by Holm's procedure the
probability that a soak on which nothing has changed says otherwise of anything is at most ALPHA.
Of times, in thousands of trials the smallest change is significant; so it has to matter, too.

On the same schedules trial is compared with trial. Other schedules come in batches, within which
Hypothesis makes them resemble each other: the failures of a batch vary up to three times as much
as those of independent trials (measured on 1.10.0 and 1.24.0). So there a batch counts as one
observation, and a handful of them can tell nothing.

S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
Statistics 6 (1979).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from statistics import median
from typing import Final

from race_harness.statistics.counts import Counts

ALPHA: Final = 0.01
"""How often all tests of a soak together may blame what has not changed."""

EFFECT: Final = 0.56
"""The least A12 that counts: how often a time of now is the longer one of two, ties halved.

A. Vargha and H. D. Delaney, "A critique and improvement of the CL common language effect size
statistics of McGraw and Wong", Journal of Educational and Behavioral Statistics 25 (2000), call
0.56 a small effect; without any it is 0.5.
"""


@dataclass(frozen=True)
class BaselineTest:
    """One measure of one series against the baseline."""

    measure: str
    """`pass rate` or `virtual time`."""
    test: str
    p_value: float
    effect: float
    """Of a pass rate how much it fell, in 0..1 of all trials; of times A12."""
    matters: bool
    """Whether the effect is one that counts."""


@dataclass(frozen=True)
class Paired:
    """Trials of the same schedules, by when they failed."""

    only_then: int
    only_now: int
    neither: int = 0
    both: int = 0
    """Failed then and now."""

    @property
    def counts(self) -> tuple[Counts, Counts]:
        """Of then and of now."""
        trials = self.only_then + self.only_now + self.neither + self.both
        return (
            Counts(self.only_now + self.neither, trials),
            Counts(self.only_then + self.neither, trials),
        )


def paired_rates(paired: Paired) -> BaselineTest | None:
    """Whether more fails than did, on the same schedules: McNemar's exact test, one-sided; None if
    there is nothing to compare."""
    # Imported here because it takes about a second, which other commands need not wait for.
    from scipy.stats import binomtest

    then, now = paired.counts
    if not then.judged:
        return None
    discordant = paired.only_then + paired.only_now
    p_value = 1.0
    if discordant:
        p_value = binomtest(paired.only_now, discordant, 0.5, alternative="greater").pvalue
    return _rates(then, now, "McNemar exact", p_value)


def batch_rates(then: Sequence[Counts], now: Sequence[Counts]) -> BaselineTest | None:
    """Whether more fails than did, on other schedules, whose batches are given; None if there is
    nothing to compare."""
    then, now = ([batch for batch in batches if batch.judged] for batches in (then, now))
    if not then or not now:
        return None
    passed_then, passed_now = (
        [batch.passed / batch.judged for batch in batches] for batches in (then, now)
    )
    _, p_value = _larger(passed_then, passed_now)
    all_then, all_now = sum(then, Counts()), sum(now, Counts())
    return _rates(all_then, all_now, "Mann-Whitney U of batches", p_value)


def paired_times(then: Sequence[float], now: Sequence[float]) -> BaselineTest | None:
    """Whether trials that passed take longer on the same schedules, in any unit; None if there is
    nothing to compare."""
    if not then or not now:
        return None
    effect, p_value = _larger(now, then)
    return _times("Mann-Whitney U", p_value, effect)


def batch_times(
    then: Sequence[Sequence[float]], now: Sequence[Sequence[float]]
) -> BaselineTest | None:
    """The same on other schedules, by the medians of their batches."""
    then, now = ([batch for batch in batches if batch] for batches in (then, now))
    if not then or not now:
        return None
    medians = (list(map(median, batches)) for batches in (now, then))
    _, p_value = _larger(*medians)
    effect, _ = _larger(list(chain(*now)), list(chain(*then)))
    return _times("Mann-Whitney U of batches", p_value, effect)


def _larger(these: Sequence[float], those: Sequence[float]) -> tuple[float, float]:
    """A12 of the first against the second, and how surely it is above a half.

    H. B. Mann and D. R. Whitney, "On a test of whether one of two random variables is
    stochastically larger than the other", The Annals of Mathematical Statistics 18 (1947).
    """
    from scipy.stats import mannwhitneyu

    found = mannwhitneyu(these, those, alternative="greater")
    effect = float(found.statistic) / (len(these) * len(those))
    # Where all are the same, there is nothing to rank.
    return effect, 1.0 if math.isnan(found.pvalue) else float(found.pvalue)


def _rates(then: Counts, now: Counts, test: str, p_value: float) -> BaselineTest:
    fell = then.passed / then.judged - now.passed / now.judged
    return BaselineTest("pass rate", test, float(p_value), fell, matters=fell > 0)


def _times(test: str, p_value: float, effect: float) -> BaselineTest:
    return BaselineTest("virtual time", test, p_value, effect, matters=effect >= EFFECT)


def judge(comparisons: Sequence[BaselineTest], alpha: float = ALPHA) -> list[bool]:
    """Which of all comparisons of a soak are regressions: significant together, and of effect."""
    by_p = sorted(range(len(comparisons)), key=lambda index: comparisons[index].p_value)
    found = [False] * len(comparisons)
    for rank, index in enumerate(by_p):
        if comparisons[index].p_value > alpha / (len(comparisons) - rank):
            break
        found[index] = comparisons[index].matters
    return found
