"""Regressions: what must be caught, and what must be let pass."""

from random import Random

import pytest

from race_harness.statistics.counts import Counts
from race_harness.statistics.regression import (
    EFFECT,
    BaselineTest,
    Paired,
    batch_rates,
    batch_times,
    judge,
    paired_rates,
    paired_times,
)


def regressed(*comparisons: BaselineTest | None) -> list[bool]:
    assert all(one is not None for one in comparisons)
    return judge([one for one in comparisons if one is not None])


def batches(*passed: int) -> list[Counts]:
    return [Counts(many, 100) for many in passed]


def test_a_rate_that_fell_is_caught_on_the_same_schedules() -> None:
    paired = paired_rates(Paired(only_then=0, only_now=15, neither=985))
    assert regressed(paired) == [True]
    assert paired is not None
    assert paired.test == "McNemar exact"
    # 15 heads of 15 coins.
    assert paired.p_value == pytest.approx(0.5**15)
    assert paired.effect == pytest.approx(0.015)


def test_a_rate_that_fell_is_caught_on_other_schedules_if_there_are_enough() -> None:
    then, now = batches(*[100] * 10), batches(*[98, 99, 97, 98, 99] * 2)
    found = batch_rates(then, now)
    assert regressed(found) == [True]
    assert found is not None
    assert found.effect == pytest.approx(0.018)
    # One batch of schedules that resemble each other, however bad, tells nothing.
    assert regressed(batch_rates(then[:1], batches(50))) == [False]


def test_a_rate_that_rose_is_let_pass() -> None:
    assert regressed(paired_rates(Paired(100, 0, 900))) == [False]
    assert regressed(batch_rates(batches(*[90] * 10), batches(*[100] * 10))) == [False]


def test_the_same_data_twice_is_never_a_regression() -> None:
    coin = Random(1)
    for passed in (0, 1, 50, 99, 100):
        same = batches(*[passed] * 10)
        paired = paired_rates(Paired(0, 0, neither=passed, both=100 - passed))
        assert regressed(batch_rates(same, same), paired) == [False, False]
    some = [coin.random() for _ in range(500)]
    assert regressed(paired_times(some, some), batch_times([some], [some])) == [False, False]
    assert regressed(paired_times([1.0] * 50, [1.0] * 80)) == [False]


def test_pairs_that_fail_equally_often_are_rarely_blamed() -> None:
    """Of 200 honest pairs each may be blamed with a probability of one in a hundred, for its rate
    or for its time: eight or more of 200 would have one of less than one in a thousand. Schedules
    of a batch resemble each other in both, so that single trials would blame many of them."""
    coin = Random(1832)
    blamed = 0

    def soak(rate: float) -> tuple[list[Counts], list[list[float]]]:
        counts, seconds = [], []
        for _ in range(10):
            here = min(1.0, max(0.0, coin.gauss(rate, 0.08)))
            counts.append(Counts(sum(coin.random() < here for _ in range(100)), 100))
            slow = coin.gauss(5, 0.5)
            seconds.append([coin.gauss(slow, 1) for _ in range(100)])
        return counts, seconds

    for _ in range(200):
        rate = coin.uniform(0.5, 1)
        (then, times_then), (now, times_now) = soak(rate), soak(rate)
        blamed += any(regressed(batch_rates(then, now), batch_times(times_then, times_now)))
    assert blamed < 8


def test_a_client_that_is_slower_is_caught_on_other_schedules() -> None:
    coin = Random(2)
    then, now = (
        [[coin.gauss(mean, 1) for _ in range(100)] for _ in range(8)] for mean in (10, 10.5)
    )
    assert regressed(batch_times(then, now)) == [True]
    assert regressed(batch_times(now, then)) == [False]
    assert regressed(batch_times(then[:1], now[:1])) == [False]


def test_a_client_that_is_slower_is_caught_and_a_faster_one_is_not() -> None:
    coin = Random(2)
    then = [coin.gauss(10, 1) for _ in range(500)]
    now = [coin.gauss(10.5, 1) for _ in range(500)]
    found = paired_times(then, now)
    assert regressed(found) == [True]
    assert found is not None
    assert found.effect > EFFECT
    assert regressed(paired_times(now, then)) == [False]


def test_a_difference_that_nobody_minds_is_let_pass_however_sure_it_is() -> None:
    coin = Random(3)
    then = [coin.gauss(10, 1) for _ in range(40_000)]
    now = [coin.gauss(10.1, 1) for _ in range(40_000)]
    found = paired_times(then, now)
    assert found is not None
    assert found.p_value < 1e-9
    assert 0.5 < found.effect < EFFECT
    assert regressed(found) == [False]


def test_the_effect_counts_ties_by_halves() -> None:
    """Of 3 times 2 pairs, four are longer now, one is a tie."""
    found = paired_times([1.0, 2.0, 3.0], [3.0, 2.5])
    assert found is not None
    assert found.effect == pytest.approx((2.5 + 2) / 6)


def test_without_trials_nothing_is_compared() -> None:
    assert paired_rates(Paired(0, 0)) is None
    assert paired_times([1.0], []) is None
    assert batch_rates([Counts()], batches(100)) is None
    assert batch_times([[1.0]], [[]]) is None


def of(p_value: float, *, matters: bool = True) -> BaselineTest:
    return BaselineTest("pass rate", "by hand", p_value, 0.1, matters)


def test_many_tests_share_what_one_may_spend() -> None:
    """Holm by hand, at 0.05: 0.01 and 0.012 are below 0.05 / 4 and 0.05 / 3, 0.03 is above
    0.05 / 2, and what comes behind it falls with it."""
    found = judge([of(0.03), of(0.01), of(0.04), of(0.012)], alpha=0.05)
    assert found == [False, True, False, True]
    assert judge([of(0.04)], alpha=0.05) == [True]
    assert judge([]) == []


def test_what_does_not_matter_is_no_regression_and_hides_none() -> None:
    assert judge([of(1e-9, matters=False), of(1e-6)]) == [False, True]
