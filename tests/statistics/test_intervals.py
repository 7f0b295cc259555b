"""Statistics against published examples, hand computation and what must always hold."""

import subprocess
import sys
from fractions import Fraction
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from race_harness.statistics.intervals import Spread, mcnemar_exact, wilson


@st.composite
def rates(draw: st.DrawFn) -> tuple[int, int]:
    total = draw(st.integers(1, 100_000))
    return draw(st.integers(0, total)), total


@pytest.mark.parametrize(
    ("passed", "total", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_agrees_with_published_intervals(
    passed: int, total: int, low: float, high: float
) -> None:
    assert wilson(passed, total) == pytest.approx((low, high), abs=5e-5)


def test_wilson_at_none_passed_is_as_computed_by_hand() -> None:
    """With no success the interval is [0, z² / (n + z²)], here 3.841459 / 1003.841459."""
    assert wilson(0, 1000) == pytest.approx((0.0, 0.0038267589), abs=1e-9)


@given(rates())
def test_wilson_contains_the_rate_and_stays_a_probability(rate: tuple[int, int]) -> None:
    passed, total = rate
    low, high = wilson(passed, total)
    assert 0.0 <= low <= passed / total <= high <= 1.0
    assert low < high


@given(rates())
def test_wilson_is_symmetric(rate: tuple[int, int]) -> None:
    passed, total = rate
    low, high = wilson(passed, total)
    assert wilson(total - passed, total) == pytest.approx((1 - high, 1 - low), abs=1e-12)


@given(rates())
def test_wilson_narrows_with_more_trials(rate: tuple[int, int]) -> None:
    passed, total = rate
    low, high = wilson(passed, total)
    more_low, more_high = wilson(10 * passed, 10 * total)
    assert more_high - more_low < high - low


def test_wilson_is_exact_at_the_ends() -> None:
    for total in range(1, 200):
        assert wilson(0, total)[0] == 0.0
        assert wilson(total, total)[1] == 1.0


def test_wilson_without_trials_knows_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("passed", "total"), [(2, 1), (-1, 3)])
def test_wilson_refuses_what_is_no_rate(passed: int, total: int) -> None:
    with pytest.raises(ValueError, match="not a rate"):
        wilson(passed, total)


@settings(deadline=None)  # The first call imports scipy.
@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_two_sided_coin_toss(only_a: int, only_b: int) -> None:
    """Computed here in whole numbers: twice the smaller tail of n fair tosses, at most 1."""
    n = only_a + only_b
    tail = sum(comb(n, k) for k in range(min(only_a, only_b) + 1))
    expected = min(Fraction(1), Fraction(2 * tail, 2**n))
    assert mcnemar_exact(only_a, only_b) == pytest.approx(float(expected), rel=1e-9)


def test_mcnemar_by_hand() -> None:
    """Ten of ten on one side: 2 / 2**10. One of six: 2 * (1 + 6) / 2**6."""
    assert mcnemar_exact(0, 10) == pytest.approx(0.001953125)
    assert mcnemar_exact(5, 1) == pytest.approx(0.21875)


def test_mcnemar_without_a_discordant_pair_sees_no_difference() -> None:
    assert mcnemar_exact(0, 0) == 1.0


def test_scipy_is_only_imported_when_it_is_needed() -> None:
    code = (
        "import sys, race_harness.statistics.intervals as s; assert 'scipy' not in sys.modules; "
        "s.mcnemar_exact(1, 2); assert 'scipy' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_spread_interpolates_between_the_closest_ranks() -> None:
    """Of 0, 10, ... 100 in any order: rank 9.5 is halfway from 90 to 100."""
    spread = Spread.of([100, 0, 50, 20, 30, 40, 10, 60, 70, 80, 90])
    assert spread.mean == pytest.approx(50)
    assert spread.p50 == pytest.approx(50)
    assert spread.p95 == pytest.approx(95)
    assert spread.p99 == pytest.approx(99)


def test_spread_of_an_even_number_has_its_median_in_between() -> None:
    assert Spread.of([1.0, 2.0, 4.0, 100.0]).p50 == pytest.approx(3.0)


def test_spread_of_one_value_is_that_value() -> None:
    assert Spread.of([7.0]) == Spread(7.0, 7.0, 7.0, 7.0)


def test_spread_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="no value"):
        Spread.of([])


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_spread_lies_within_its_values_and_in_order(values: list[float]) -> None:
    spread = Spread.of(iter(values))
    # The interpolation may round by an ulp of the largest value.
    slack = 1e-9 * max(values)
    assert min(values) - slack <= spread.p50 <= spread.p95 + slack
    assert spread.p95 <= spread.p99 + slack <= max(values) + 2 * slack
    assert min(values) - slack <= spread.mean <= max(values) + slack
