"""The sequential test, by hand and by the exact distribution of its answers."""

import math
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from race_harness.statistics.sequential import (
    SequentialTest,
    SignTest,
    first_decision,
    rule_of_three,
)


def test_its_lines_are_as_computed_by_hand() -> None:
    """Of n trials f failures, 0.1 against 0.3, alpha 0.02, beta 0.03: Wald's two parallel lines.

    ln 3 = 1.0986 a failure and ln (0.7 / 0.9) = -0.2513 a pass, between ln (0.03 / 0.98) = -3.4864
    and ln (0.97 / 0.02) = 3.8816. In units of a failure and its missing pass, 1.3499: the slope is
    0.1862 and the lines meet the axis at -2.583 and 2.876.
    """
    test = SequentialTest(0.1, 0.3, alpha=0.02, beta=0.03)
    for total in range(1, 200):
        for failed in range(total + 1):
            if failed - 0.18617 * total >= 2.8756:
                expected = "reject"
            elif failed - 0.18617 * total <= -2.5828:
                expected = "accept"
            else:
                expected = "undecided"
            assert test.decide(total - failed, total) == expected, (failed, total)


def test_evidence_is_the_likelihood_ratio() -> None:
    test = SequentialTest(0.1, 0.3)
    assert test.evidence(0, 0) == 0.0
    assert test.evidence(7, 10) == pytest.approx(
        math.log(0.3**3 * 0.7**7) - math.log(0.1**3 * 0.9**7)
    )


@given(
    st.floats(0, 0.5),
    st.floats(1e-3, 0.5),
    st.floats(1e-4, 0.2),
    st.floats(1e-4, 0.2),
)
def test_so_many_trials_without_failure_accept_and_no_fewer(
    acceptable: float, apart: float, alpha: float, beta: float
) -> None:
    test = SequentialTest(acceptable, acceptable + apart, alpha, beta)
    enough = test.trials_without_failure
    assert test.decide(enough, enough) == "accept"
    assert test.decide(enough - 1, enough - 1) == "undecided"


def test_trials_without_failure_by_hand() -> None:
    """ln (1 / 99) = -4.595 by ln 0.98 = -0.0202 is 227.5; by ln (0.98 / 0.999) 239.4."""
    assert SequentialTest(0.0, 0.02).trials_without_failure == 228
    assert SequentialTest(0.001, 0.02).trials_without_failure == 240
    assert SequentialTest(0.0, 1.0).trials_without_failure == 1


def test_where_none_may_fail_one_failure_rejects() -> None:
    test = SequentialTest(0.0, 0.02)
    assert test.decide(10_000, 10_001) == "reject"
    assert test.decide(200, 200) == "undecided"


def test_where_all_must_fail_one_pass_accepts() -> None:
    test = SequentialTest(0.1, 1.0)
    assert test.decide(1, 10_000) == "accept"
    assert test.decide(0, 1) == "undecided"
    assert test.decide(0, 10) == "reject"


@pytest.mark.parametrize("chunk", [1, 10, 50])
@pytest.mark.parametrize(
    "test", [SequentialTest(0.05, 0.2, 0.05, 0.1), SequentialTest(0.02, 0.3, 0.02, 0.01)]
)
def test_it_errs_as_rarely_as_promised(test: SequentialTest, chunk: int) -> None:
    """Wald's bounds, by the exact distribution over all that can happen; also beyond the rates
    that were tested, where it errs less."""
    wrong_at = {rate: answers(test, rate, chunk) for rate in (0.0, test.acceptable)}
    right_at = {rate: answers(test, rate, chunk) for rate in (test.unacceptable, 0.5)}
    alpha, beta = wrong_at[test.acceptable]["reject"], right_at[test.unacceptable]["accept"]
    assert alpha <= test.alpha / (1 - test.beta)
    assert beta <= test.beta / (1 - test.alpha)
    assert alpha + beta <= test.alpha + test.beta
    assert wrong_at[0.0]["reject"] <= alpha
    assert right_at[0.5]["accept"] <= beta
    # And it ends.
    for found in (*wrong_at.values(), *right_at.values()):
        assert found["undecided"] < 1e-6


def answers(test: SequentialTest, rate: float, chunk: int, most: int = 1_500) -> Counter[str]:
    """How probable each answer is at a failure rate, asked after each chunk."""
    found: Counter[str] = Counter()
    at = {0: 1.0}
    for total in range(1, most + 1):
        after: Counter[int] = Counter()
        for failed, probability in at.items():
            after[failed] += probability * (1 - rate)
            after[failed + 1] += probability * rate
        at = dict(after)
        if total % chunk == 0:
            for failed in list(at):
                decision = test.decide(total - failed, total)
                if decision != "undecided":
                    found[decision] += at.pop(failed)
    found["undecided"] = sum(at.values())
    return found


def test_the_first_answer_ends_the_trials() -> None:
    asked: list[int] = []

    def chunks() -> Iterator[tuple[int, int]]:
        for number, chunk in enumerate([(10, 10), (2, 10), (0, 10)]):
            asked.append(number)
            yield chunk

    assert first_decision(SequentialTest(0.01, 0.2), chunks()) == ("reject", 12, 20)
    assert asked == [0, 1]


def test_without_an_answer_all_trials_are_counted() -> None:
    test = SequentialTest(0.01, 0.2)
    assert first_decision(test, [(4, 4), (4, 4)]) == ("undecided", 8, 8)
    assert first_decision(test, []) == ("undecided", 0, 0)


@pytest.mark.parametrize("rates", [(0.2, 0.1), (0.1, 0.1), (-0.1, 0.1), (0.5, 1.1)])
def test_rates_that_are_none_are_refused(rates: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="failure rates"):
        SequentialTest(*rates)


@pytest.mark.parametrize("error_rate", [0.0, 0.5, -1.0, math.nan])
def test_error_rates_that_are_none_are_refused(error_rate: float) -> None:
    with pytest.raises(ValueError, match="alpha"):
        SequentialTest(0.1, 0.2, alpha=error_rate)
    with pytest.raises(ValueError, match="beta"):
        SequentialTest(0.1, 0.2, beta=error_rate)


def test_counts_that_are_no_rate_are_refused() -> None:
    with pytest.raises(ValueError, match="not a rate"):
        SequentialTest(0.1, 0.2).decide(3, 2)


def test_a_sign_by_hand() -> None:
    """One half against three quarters, each direction at 0.005: ln (0.99 / 0.005) = 5.288 by
    ln 1.5 = 0.4055 is 13.04 pairs that all go one way."""
    test = SignTest(0.75)
    assert [test.decide(*pairs) for pairs in ((13, 0), (14, 0), (0, 13), (0, 14))] == [
        "undecided",
        "first",
        "undecided",
        "second",
    ]
    assert test.decide(0, 0) == "undecided"
    assert test.decide(51, 49) == test.decide(49, 51) == "neither"


@pytest.mark.parametrize("pairs", [50, 200, 1_000])
def test_two_that_are_alike_are_told_apart_as_rarely_as_promised(pairs: int) -> None:
    test = SignTest(0.75, alpha=0.05)
    wrong = [n for n in range(pairs + 1) if test.decide(n, pairs - n) in ("first", "second")]
    assert sum(math.comb(pairs, n) for n in wrong) / 2**pairs <= 0.05 / (1 - test.beta)
    # And one that is larger in three quarters is told, if it is asked often enough.
    told = [n for n in range(pairs + 1) if test.decide(n, pairs - n) == "first"]
    power = sum(math.comb(pairs, n) * 0.75**n * 0.25 ** (pairs - n) for n in told)
    assert power > (0.7 if pairs == 50 else 0.99)


def test_a_share_that_is_no_difference_is_refused() -> None:
    with pytest.raises(ValueError, match="failure rates"):
        SignTest(0.5)


@pytest.mark.parametrize("trials", [30, 100, 1_000, 100_000])
def test_the_rule_of_three_bounds_the_exact_one(trials: int) -> None:
    """The exact bound is the rate at which no failure in n trials has probability 5 %."""
    exact = 1 - 0.05 ** (1 / trials)
    assert exact <= rule_of_three(trials) <= 1.06 * exact


def test_the_rule_of_three_stays_a_rate() -> None:
    assert rule_of_three(0) == rule_of_three(2) == 1.0
    with pytest.raises(ValueError, match="number of trials"):
        rule_of_three(-1)
