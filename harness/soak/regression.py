"""Whether a client is worse than it was: in how often it passes, and in the time that it takes.

All tests are one-sided, since better is no regression, and hold together: by Holm's procedure the
probability that a soak on which nothing has changed says otherwise of anything is at most ALPHA.
Of times, in thousands of trials the smallest change is significant; so it has to matter, too.

S. Holm, "A simple sequentially rejective multiple test procedure", Scandinavian Journal of
Statistics 6 (1979).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from harness.soak.agenda import Counts

ALPHA: Final = 0.01
"""How often all tests of a soak together may blame what has not changed."""

EFFECT: Final = 0.56
"""The least A12 that counts: how often a time of now is the longer one of two, ties halved.

A. Vargha and H. D. Delaney, "A critique and improvement of the CL common language effect size
statistics of McGraw and Wong", Journal of Educational and Behavioral Statistics 25 (2000), call
0.56 a small effect; without any it is 0.5.
"""


@dataclass(frozen=True)
class Comparison:
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
    """Trials of the same schedules that failed once only."""

    only_then: int
    only_now: int


def pass_rates(then: Counts, now: Counts, paired: Paired | None = None) -> Comparison | None:
    """Whether more fails than did: on the same schedules by McNemar's exact test, else by
    Fisher's; None if there is nothing to compare.

    R. A. Fisher, "On the interpretation of chi-squared from contingency tables, and the
    calculation of P", Journal of the Royal Statistical Society 85 (1922).
    """
    # Imported here because it takes about a second, which other commands need not wait for.
    from scipy.stats import binomtest, fisher_exact

    if not then.judged or not now.judged:
        return None
    fell = then.passed / then.judged - now.passed / now.judged
    if paired is not None:
        test, discordant = "McNemar exact", paired.only_then + paired.only_now
        p_value = (
            binomtest(paired.only_now, discordant, 0.5, alternative="greater").pvalue
            if discordant
            else 1.0
        )
    else:
        test = "Fisher exact"
        failed_then, failed_now = then.judged - then.passed, now.judged - now.passed
        table = [[failed_now, now.passed], [failed_then, then.passed]]
        p_value = fisher_exact(table, alternative="greater").pvalue
    return Comparison("pass rate", test, float(p_value), fell, matters=fell > 0)


def times(then: Sequence[float], now: Sequence[float]) -> Comparison | None:
    """Whether trials that passed take longer, in any unit; None if there is nothing to compare.

    H. B. Mann and D. R. Whitney, "On a test of whether one of two random variables is
    stochastically larger than the other", The Annals of Mathematical Statistics 18 (1947).
    """
    from scipy.stats import mannwhitneyu

    if not then or not now:
        return None
    found = mannwhitneyu(now, then, alternative="greater")
    effect = float(found.statistic) / (len(then) * len(now))
    # Where all times are the same one, there is nothing to rank.
    p_value = 1.0 if math.isnan(found.pvalue) else float(found.pvalue)
    return Comparison("virtual time", "Mann-Whitney U", p_value, effect, matters=effect >= EFFECT)


def judge(comparisons: Sequence[Comparison], alpha: float = ALPHA) -> list[bool]:
    """Which of all comparisons of a soak are regressions: significant together, and of effect."""
    by_p = sorted(range(len(comparisons)), key=lambda index: comparisons[index].p_value)
    found = [False] * len(comparisons)
    for rank, index in enumerate(by_p):
        if comparisons[index].p_value > alpha / (len(comparisons) - rank):
            break
        found[index] = comparisons[index].matters
    return found
