"""What may be said about a rate, a difference and a distribution, and how surely.

Trials are counted, never sampled from a known law, so everything here is free of assumptions
about their distribution: a score interval for a rate, an exact test for paired outcomes,
percentiles for times.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_Z95: Final = 1.959963984540054
"""The standard normal's 97.5 % quantile."""


def wilson(passed: int, total: int) -> tuple[float, float]:
    """The 95 % score interval of a rate, as (low, high) in 0..1.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22 (1927). Unlike the textbook interval it
    stays honest where harness results live: at 0 % and 100 %. Without any trial nothing is
    known: (0.0, 1.0).
    """
    if not 0 <= passed <= total:
        raise ValueError(f"{passed} passed of {total} is not a rate")
    if total == 0:
        return 0.0, 1.0
    rate = passed / total
    weight = _Z95**2 / total
    centre = (rate + weight / 2) / (1 + weight)
    half = math.sqrt(weight * rate * (1 - rate) + weight**2 / 4) / (1 + weight)
    # At 100 % the upper end is 1 by algebra, but not in floating point.
    return centre - half, 1.0 if passed == total else centre + half


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """The exact two-sided p-value that A and B fail equally often on the same schedules.

    Q. McNemar, "Note on the sampling error of the difference between correlated proportions
    or percentages", Psychometrika 12 (1947): only the schedules on which exactly one of the
    two fails bear on it, and under the hypothesis each is a fair coin's toss. Here that
    binomial is computed, not approximated. Without such a schedule there is no difference
    to explain: 1.0.
    """
    if only_a + only_b == 0:
        return 1.0
    # Imported here because it takes about a second, which `race --help` need not wait for.
    from scipy.stats import binomtest

    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue)


@dataclass(frozen=True)
class Spread:
    """A distribution in four numbers, in the unit of its values."""

    mean: float
    p50: float
    p95: float
    p99: float

    @staticmethod
    def of(values: Iterable[float]) -> "Spread":
        """The spread of at least one value.

        A percentile lies between the two closest ranks, by linear interpolation: definition 7
        of R. J. Hyndman and Y. Fan, "Sample quantiles in statistical packages", The American
        Statistician 50 (1996), which is also NumPy's default.
        """
        ordered = sorted(values)
        if not ordered:
            raise ValueError("no value has no spread")
        return Spread(
            mean=math.fsum(ordered) / len(ordered),
            p50=_percentile(ordered, 0.50),
            p95=_percentile(ordered, 0.95),
            p99=_percentile(ordered, 0.99),
        )


def _percentile(ordered: list[float], share: float) -> float:
    rank = share * (len(ordered) - 1)
    below = math.floor(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (rank - below) * (ordered[above] - ordered[below])
