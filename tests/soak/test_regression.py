"""Regressions: what must be caught, and what must be let pass."""

from random import Random

import pytest

from harness.soak.agenda import Counts
from harness.soak.regression import (
    EFFECT,
    Comparison,
    Paired,
    judge,
    pass_rates,
    times,
)


def regressed(*comparisons: Comparison | None) -> list[bool]:
    assert all(one is not None for one in comparisons)
    return judge([one for one in comparisons if one is not None])


def test_a_rate_that_fell_is_caught_paired_or_not() -> None:
    then, now = Counts(1_000, 1_000), Counts(985, 1_000)
    paired, unpaired = pass_rates(then, now, Paired(0, 15)), pass_rates(then, now)
    assert regressed(paired) == regressed(unpaired) == [True]
    assert paired is not None
    assert paired.test == "McNemar exact"
    # 15 heads of 15 coins.
    assert paired.p_value == pytest.approx(0.5**15)
    assert paired.effect == pytest.approx(0.015)
    assert unpaired is not None
    assert unpaired.test == "Fisher exact"


def test_a_rate_that_rose_is_let_pass() -> None:
    then, now = Counts(900, 1_000), Counts(1_000, 1_000)
    assert regressed(pass_rates(then, now, Paired(100, 0))) == [False]
    assert regressed(pass_rates(then, now)) == [False]


def test_the_same_data_twice_is_never_a_regression() -> None:
    coin = Random(1)
    for passed in (0, 1, 500, 999, 1_000):
        counts = Counts(passed, 1_000)
        assert regressed(pass_rates(counts, counts), pass_rates(counts, counts, Paired(0, 0))) == [
            False,
            False,
        ]
    some = [coin.random() for _ in range(500)]
    assert regressed(times(some, some)) == [False]
    assert regressed(times([1.0] * 50, [1.0] * 80)) == [False]


def test_pairs_that_fail_equally_often_are_rarely_blamed() -> None:
    """Of 200 honest pairs each may be blamed with a probability of one in a hundred, for its rate
    or for its time: eight or more of 200 would have one of less than one in a thousand."""
    coin = Random(1832)
    blamed = 0
    for _ in range(200):
        rate = coin.uniform(0.5, 1)
        then, now = (Counts(sum(coin.random() < rate for _ in range(200)), 200) for _ in range(2))
        slow, slower = ([coin.expovariate(1) for _ in range(200)] for _ in range(2))
        blamed += any(regressed(pass_rates(then, now), times(slow, slower)))
    assert blamed < 8


def test_a_client_that_is_slower_is_caught_and_a_faster_one_is_not() -> None:
    coin = Random(2)
    then = [coin.gauss(10, 1) for _ in range(500)]
    now = [coin.gauss(10.5, 1) for _ in range(500)]
    found = times(then, now)
    assert regressed(found) == [True]
    assert found is not None
    assert found.effect > EFFECT
    assert regressed(times(now, then)) == [False]


def test_a_difference_that_nobody_minds_is_let_pass_however_sure_it_is() -> None:
    coin = Random(3)
    then = [coin.gauss(10, 1) for _ in range(40_000)]
    now = [coin.gauss(10.1, 1) for _ in range(40_000)]
    found = times(then, now)
    assert found is not None
    assert found.p_value < 1e-9
    assert 0.5 < found.effect < EFFECT
    assert regressed(found) == [False]


def test_the_effect_counts_ties_by_halves() -> None:
    """Of 3 times 2 pairs, four are longer now, one is a tie."""
    found = times([1.0, 2.0, 3.0], [3.0, 2.5])
    assert found is not None
    assert found.effect == pytest.approx((2.5 + 2) / 6)


def test_without_trials_nothing_is_compared() -> None:
    assert pass_rates(Counts(), Counts(1, 1)) is None
    assert times([1.0], []) is None


def of(p_value: float, *, matters: bool = True) -> Comparison:
    return Comparison("pass rate", "by hand", p_value, 0.1, matters)


def test_many_tests_share_what_one_may_spend() -> None:
    """Holm by hand, at 0.05: 0.01 and 0.012 are below 0.05 / 4 and 0.05 / 3, 0.03 is above
    0.05 / 2, and what comes behind it falls with it."""
    found = judge([of(0.03), of(0.01), of(0.04), of(0.012)], alpha=0.05)
    assert found == [False, True, False, True]
    assert judge([of(0.04)], alpha=0.05) == [True]
    assert judge([]) == []


def test_what_does_not_matter_is_no_regression_and_hides_none() -> None:
    assert judge([of(1e-9, matters=False), of(1e-6)]) == [False, True]
