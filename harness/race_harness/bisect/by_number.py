"""The question when a number decides: how many events a verdict concerns. Pure.

With a fix that helps but does not cure, a client still fails, and with the same verdict. So both
ends of the range are measured on the same schedules, and for each client between them the question
is to which end it is nearer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import batched, chain, islice
from statistics import fmean
from typing import Any, Final, Protocol

from race_harness.bisect.judged import Judged
from race_harness.bisect.neighbourhood import neighbourhood
from race_harness.bisect.questions import Conclusion, void_in_words
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import TrialResult
from race_harness.search.draw import BATCH
from race_harness.statistics.sequential import SequentialTest, SignTest

SHARE: Final = 0.75
"""Share of the trials that tell which must go one way if there is a difference."""


class Schedules(Protocol):
    """Where the trials come from."""

    @property
    def about(self) -> str:
        """The schedules in a few words."""

    @property
    def reps(self) -> int:
        """How many there are."""

    def identity(self) -> dict[str, Any]:
        """All that decides which schedules they are, as plain values."""

    def chunks(self) -> Iterator[Sequence[Schedule]]:
        """All schedules, chunk by chunk; the same each time."""


class Around:
    """A schedule and those around it."""

    def __init__(self, schedule: Schedule, reps: int) -> None:
        self._schedules = neighbourhood(schedule, reps)

    @property
    def about(self) -> str:
        return f"a schedule of {self._schedules[0].scenario} and {self.reps - 1} around it"

    @property
    def reps(self) -> int:
        return len(self._schedules)

    def identity(self) -> dict[str, Any]:
        return {"schedules": [schedule.to_dict() for schedule in self._schedules]}

    def chunks(self) -> Iterator[Sequence[Schedule]]:
        return batched(self._schedules, BATCH)


@dataclass(frozen=True)
class NumberQuestion:
    """How many events does a verdict concern in each trial? The question for the ends of a range.

    With the answers of both, call `compared`.
    """

    verdict: str
    schedules: Schedules
    alpha: float
    """How often equal ends may seem to differ, and a good client be called bad."""
    beta: float
    """How often different ends may seem equal, and a bad client be called good."""

    def __post_init__(self) -> None:
        # These check the error rates before any trial runs.
        _ = self.of_ends, self.of_clients

    @property
    def of_ends(self) -> SignTest:
        """The test whether the ends differ; raises ValueError if the error rates allow no test."""
        return SignTest(SHARE, self.alpha, self.beta)

    @property
    def of_clients(self) -> SequentialTest:
        """The test whether a client between them is like the end with more."""
        return SequentialTest(1 - SHARE, SHARE, self.alpha, self.beta)

    def chunks(self) -> Iterator[Sequence[Schedule]]:
        return self.schedules.chunks()

    @property
    def title(self) -> str:
        return f"events of {self.verdict} in {self.schedules.about}"

    @property
    def rule(self) -> str:
        return (
            f"the number of events that {self.verdict} concerns in a trial (1 where it is not "
            f"about events), on the same schedules; the ends run all {self.schedules.reps}, and "
            f"differ if one has more in most of those in which they are unequal (sign test, Dixon "
            f"and Mood 1946, as Wald's: one half against {SHARE:.3g}; told apart wrongly "
            f"{self.alpha:.3g}, held alike wrongly {self.beta:.3g}); a client between them is bad "
            f"if it is nearer to the end with more in at least {SHARE:.3g} of the trials that "
            f"tell, good if in at most {1 - SHARE:.3g} (Wald 1945, every {BATCH} trials; called "
            f"bad wrongly {self.alpha:.3g}, called good wrongly {self.beta:.3g})"
        )

    def identity(self) -> dict[str, Any]:
        return {**self.schedules.identity(), "by": self.verdict, "errors": [self.alpha, self.beta]}

    def answer(self, results: Sequence[TrialResult], *, all_run: bool) -> Conclusion | None:
        if not all_run:
            return None
        if _mostly_void(results):
            return Conclusion("unclear", void_in_words(results))
        numbers = tuple(map(self.number, results))
        return Conclusion("measured", self.in_words(numbers), numbers=numbers)

    def number(self, result: TrialResult) -> int | None:
        """The number of one trial; None if it is void."""
        return result.concerned.get(self.verdict, 0) if result.void is None else None

    def in_words(self, numbers: Sequence[int | None]) -> str:
        """Such as `missed-callback 12.4 a trial (0 to 13)`."""
        known = [number for number in numbers if number is not None]
        low, high = min(known), max(known)
        spread = f" ({low} to {high})" if low != high else ""
        return f"{self.verdict} {fmean(known):.3g} a trial{spread}"


class BetweenEnds:
    """Is a client nearer to the end that has fewer, or to the one that has more?"""

    def __init__(
        self,
        asked: NumberQuestion,
        fewer: Sequence[int | None],
        more: Sequence[int | None],
    ) -> None:
        self._asked = asked
        self._fewer = fewer
        self._more = more

    @property
    def title(self) -> str:
        return self._asked.title

    @property
    def rule(self) -> str:
        return self._asked.rule

    def identity(self) -> dict[str, Any]:
        return {**self._asked.identity(), "fewer": self._fewer, "more": self._more}

    def chunks(self) -> Iterator[Sequence[Schedule]]:
        return self._asked.chunks()

    def answer(self, results: Sequence[TrialResult], *, all_run: bool) -> Conclusion | None:
        if _mostly_void(results):
            return Conclusion("unclear", void_in_words(results))
        numbers = [self._asked.number(result) for result in results]
        like_fewer, like_more = self._sorted(numbers)
        telling = len(like_fewer) + len(like_more)
        said = (
            f"{self._asked.in_words(numbers)}, nearer to the end with more in {len(like_more)} "
            f"of {telling} trials that tell"
        )
        decision = self._asked.of_clients.decide(len(like_fewer), telling)
        if decision == "reject":
            return Conclusion("bad", said, self._clearest(like_more))
        if decision == "accept":
            return Conclusion("good", said)
        if not all_run:
            return None
        more_would_help = "; raise --reps" if telling else ""
        return Conclusion("unclear", f"undecided: {said}{more_would_help}")

    def of_end(self, measured: Judged) -> Judged:
        """The judgement of an end, from its own numbers."""
        if measured.numbers != self._more:
            return replace(measured, judgement="good", numbers=())
        shown_by = self._clearest(range(len(self._more)))
        assert shown_by is not None  # The end with more has more somewhere.
        schedule = next(islice(chain.from_iterable(self.chunks()), shown_by, None))
        return replace(measured, judgement="bad", shown_by=schedule, numbers=())

    def _sorted(self, numbers: Sequence[int | None]) -> tuple[list[int], list[int]]:
        """Which trials are nearer to the end with fewer, and which to the other."""
        nearer: tuple[list[int], list[int]] = [], []
        for trial, (number, fewer, more) in enumerate(
            zip(numbers, self._fewer, self._more, strict=False)
        ):
            if number is None or fewer is None or more is None:
                continue
            to_fewer, to_more = abs(number - fewer), abs(number - more)
            if to_fewer != to_more:
                nearer[to_more < to_fewer].append(trial)
        return nearer

    def _clearest(self, trials: Sequence[int]) -> int | None:
        """The one of these trials in which the ends are furthest apart; None: in none of them."""

        def apart(trial: int) -> int:
            fewer, more = self._fewer[trial], self._more[trial]
            return 0 if fewer is None or more is None else more - fewer

        return max((trial for trial in trials if apart(trial) > 0), key=apart, default=None)


def compared(
    asked: NumberQuestion, older: tuple[str, Judged], newer: tuple[str, Judged]
) -> BetweenEnds | str:
    """The question for the clients between two ends, each given by its name and numbers; or a
    sentence that says that the ends do not differ clearly."""
    (first, one), (second, other) = older, newer
    pairs = [
        (before, after)
        for before, after in zip(one.numbers, other.numbers, strict=True)
        if before is not None and after is not None
    ]
    if not pairs:
        return f"{first} and {second} have no trial in common that is not void"
    fell = sum(before > after for before, after in pairs)
    rose = sum(before < after for before, after in pairs)
    sign = asked.of_ends.decide(fell, rose)
    if sign == "first":
        return BetweenEnds(asked, fewer=other.numbers, more=one.numbers)
    if sign == "second":
        return BetweenEnds(asked, fewer=one.numbers, more=other.numbers)
    measured = f"{first} has {one.says}, {second} {other.says}"
    if not fell and not rose:
        return f"no difference: {measured}, and both the same in each of {len(pairs)} trials"
    told = f"{measured}; {first} has more in {fell} and {second} in {rose} of {len(pairs)} trials"
    if sign == "neither":
        return f"no clear difference: {told}"
    return f"too few trials to tell whether they differ: {told}; raise --reps"


def _mostly_void(results: Sequence[TrialResult]) -> bool:
    return 2 * sum(result.void is not None for result in results) > len(results)
