"""What can be said about a rate, a difference and a distribution, and with what confidence.

Trials are counted, never sampled from a known law, so everything here is free of assumptions
about their distribution: a score interval for a rate, an exact test for paired outcomes,
percentiles for times.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
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
        return Spread.of_ordered(ordered, len(ordered))

    @staticmethod
    def of_ordered(ordered: Iterable[float], count: int) -> "Spread":
        """The same of so many values that come in ascending order, none of which is kept."""
        if count == 0:
            raise ValueError("no value has no spread")
        wanted = {rank for share in _SHARES for rank in _ranks(share, count)}
        at: dict[int, float] = {}

        def seen() -> Iterator[float]:
            for rank, value in enumerate(ordered):
                if rank in wanted:
                    at[rank] = value
                yield value

        mean = math.fsum(seen()) / count
        return Spread(mean, *(_percentile(at, share, count) for share in _SHARES))


_SHARES: Final = (0.50, 0.95, 0.99)


def _ranks(share: float, count: int) -> tuple[int, int]:
    below = math.floor(share * (count - 1))
    return below, min(below + 1, count - 1)


def _percentile(at: Mapping[int, float], share: float, count: int) -> float:
    below, above = _ranks(share, count)
    return at[below] + (share * (count - 1) - below) * (at[above] - at[below])
