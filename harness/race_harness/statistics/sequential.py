"""How many trials are enough: sequential tests, and what a run without failures shows.

A. Wald, "Sequential tests of statistical hypotheses", The Annals of Mathematical Statistics 16
(1945): between two failure rates the likelihood ratio of all trials so far decides, as soon as it
is far enough from one. A client that fails often is told so after a handful of trials, and one
that never fails after as many as its hypotheses need. The rates in between are a region of
indifference: there either answer is right, and may take long.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Decision = Literal["undecided", "accept", "reject"]
"""`accept`: the failure rate is taken for the acceptable one or less. `reject`: for the
unacceptable one or more."""


@dataclass(frozen=True)
class SequentialTest:
    """Wald's test of a failure rate: at most `acceptable`, or at least `unacceptable`?

    It may be asked after each trial or at the boundaries of chunks: that the errors are as rare as
    promised follows from the likelihood ratio at which it stops, not from when it is looked at.
    Chunks of a fixed size make the answer independent of the order in which trials end.
    Wald's bounds: the error rates are at most `alpha / (1 - beta)` and `beta / (1 - alpha)`, and
    their sum at most `alpha + beta`.

    Raises:
        ValueError: the rates are no rates, or not in this order.
    """

    acceptable: float
    """In 0..1. At 0 one failure rejects, and an `alpha` is not spent."""
    unacceptable: float
    """In 0..1, more than `acceptable`."""
    alpha: float = 0.01
    """How often one that fails acceptably may be rejected; above 0, below 0.5."""
    beta: float = 0.01
    """How often one that fails unacceptably may be accepted; above 0, below 0.5."""

    def __post_init__(self) -> None:
        if not 0 <= self.acceptable < self.unacceptable <= 1:
            raise ValueError(
                f"failure rates {self.acceptable} and {self.unacceptable}: the first must be less "
                "than the second, both from 0 to 1"
            )
        for name, rate in (("alpha", self.alpha), ("beta", self.beta)):
            if not 0 < rate < 0.5:
                raise ValueError(f"{name} {rate} is no error rate above 0 and below 0.5")

    def evidence(self, passed: int, total: int) -> float:
        """The logarithm of the likelihood ratio: above 0 for the unacceptable rate."""
        if not 0 <= passed <= total:
            raise ValueError(f"{passed} passed of {total} is not a rate")
        failed = total - passed
        return _log_power(self.unacceptable, self.acceptable, failed) + _log_power(
            1 - self.unacceptable, 1 - self.acceptable, passed
        )

    def decide(self, passed: int, total: int) -> Decision:
        """What all trials so far say; whoever asks stops at the first answer that is one."""
        evidence = self.evidence(passed, total)
        if evidence >= math.log((1 - self.beta) / self.alpha):
            return "reject"
        return "accept" if evidence <= self._lower else "undecided"

    @property
    def trials_without_failure(self) -> int:
        """How many trials accept if none of them fails."""
        if self.unacceptable == 1:
            return 1
        each = math.log((1 - self.unacceptable) / (1 - self.acceptable))
        trials = math.ceil(self._lower / each)
        # The quotient may be a whole number that rounding misses, to either side.
        return next(n for n in range(max(1, trials - 1), trials + 2) if self._accepts(n))

    def _accepts(self, trials: int) -> bool:
        return self.decide(trials, trials) == "accept"

    @property
    def _lower(self) -> float:
        return math.log(self.beta / (1 - self.alpha))


Sign = Literal["undecided", "neither", "first", "second"]
"""`first`, `second`: which of the two is larger. `neither`: they do not differ clearly."""


@dataclass(frozen=True)
class SignTest:
    """Of two numbers that are measured in pairs: is one of them larger as a rule?

    W. J. Dixon and A. M. Mood, "The statistical sign test", Journal of the American Statistical
    Association 41 (1946): pairs of equal numbers tell nothing, and without any difference one half
    of the others goes either way. Here by two of Wald's tests, one for each direction, as P.
    Armitage, "Sequential tests in prophylactic and therapeutic trials", Quarterly Journal of
    Medicine 23 (1954). Their errors are those of `SequentialTest`.

    Raises:
        ValueError: the share or an error rate is none.
    """

    share: float
    """Of the pairs that differ, how many go one way at least if there is a difference; above 0.5.
    Between that and one half either answer is right."""
    alpha: float = 0.01
    """How often two that are alike may be told apart, in either direction."""
    beta: float = 0.01
    """How often two that differ may not."""

    def __post_init__(self) -> None:
        # Which checks all three.
        _ = self._either

    def decide(self, first: int, second: int) -> Sign:
        """What all pairs so far say: in so many the first is larger, in so many the second."""
        either, differ = self._either, first + second
        for_first, for_second = either.decide(second, differ), either.decide(first, differ)
        if for_first == "reject":
            return "first"
        if for_second == "reject":
            return "second"
        return "neither" if for_first == for_second == "accept" else "undecided"

    @property
    def _either(self) -> SequentialTest:
        return SequentialTest(0.5, self.share, self.alpha / 2, self.beta)


def first_decision(
    test: SequentialTest, chunks: Iterable[tuple[int, int]]
) -> tuple[Decision, int, int]:
    """The first answer at the end of a chunk, with all passes and trials until then.

    `chunks` holds passed and total of each chunk alone. It is not read further than needed, so it
    may well run the trials; `undecided` only where it ends.
    """
    passed = total = 0
    for chunk_passed, chunk_total in chunks:
        passed, total = passed + chunk_passed, total + chunk_total
        decision = test.decide(passed, total)
        if decision != "undecided":
            return decision, passed, total
    return "undecided", passed, total


def rule_of_three(trials: int) -> float:
    """The failure rate that so many trials without a failure exclude at 95 %: 3 / n, at most 1.

    J. A. Hanley and A. Lippman-Hand, "If nothing goes wrong, is everything all right?
    Interpreting zero numerators", JAMA 249 (1983).
    """
    if trials < 0:
        raise ValueError(f"{trials} is no number of trials")
    return min(1.0, 3 / trials) if trials else 1.0


def _log_power(above: float, below: float, times: int) -> float:
    """The logarithm of `(above / below) ** times`, with the limits where one of them is 0."""
    if times == 0:
        return 0.0
    if below == 0:
        return math.inf
    return times * math.log(above / below) if above else -math.inf
