"""The question for each client, and the rule by which its trials answer. Pure.

Each client of a range runs the same trials, in chunks of a fixed size, so that an answer depends
neither on the machine nor on how many trials run at once.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, Final, Protocol

from race_harness.bisect.judged import Judgement
from race_harness.bisect.neighbourhood import neighbourhood
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import ORDER, TrialResult
from race_harness.search.draw import BATCH, draw_schedules
from race_harness.statistics.sequential import SequentialTest

SCENARIO_REPS: Final = 1_000
SCHEDULE_REPS: Final = 100
SHARE: Final = 0.05


@dataclass(frozen=True)
class Conclusion:
    judgement: Judgement
    says: str
    shown_by: int | None = None
    """The first trial that shows the trouble."""
    numbers: tuple[int | None, ...] = ()
    """As in `Judged`."""


class Question(Protocol):
    """A question to one client after another."""

    @property
    def title(self) -> str:
        """What it is about, in a few words."""

    @property
    def rule(self) -> str:
        """The rule by which trials answer it, in a sentence or two."""

    def identity(self) -> dict[str, Any]:
        """All that decides the answer of a client, as plain values."""

    def chunks(self) -> Iterator[Sequence[Schedule]]:
        """The trials, chunk by chunk; the same each time."""

    def answer(self, results: Sequence[TrialResult], *, all_run: bool) -> Conclusion | None:
        """What the trials so far say; None: more are needed. Never None if `all_run`."""


class Drawn:
    """The schedules of a scenario in chunks, drawn only as far as needed."""

    def __init__(self, scenario: Scenario, seed: int, reps: int) -> None:
        self.scenario = scenario
        self.seed = seed
        self.reps = reps
        self._drawing = draw_schedules(scenario, seed, reps)
        self._drawn: list[list[Schedule]] = []

    def chunks(self) -> Iterator[Sequence[Schedule]]:
        # Chunk by chunk: drawing takes longer than some clients' trials.
        for number in range(-(-self.reps // BATCH)):
            if number == len(self._drawn):
                self._drawn.append(list(islice(self._drawing, BATCH)))
            yield self._drawn[number]

    @property
    def about(self) -> str:
        """The schedules in a few words."""
        return f"{self.scenario.name}, seed {self.seed}"

    def identity(self) -> dict[str, Any]:
        """All that decides which schedules they are."""
        source = {"source": self.scenario.source} if self.scenario.source else {}
        return {
            "scenario": self.scenario.name,
            "seed": self.seed,
            "reps": self.reps,
            **source,
        }


class ScenarioQuestion:
    """Is the failure rate of a scenario good or bad? By Wald's sequential test.

    With a verdict, only trials that have it among theirs fail.
    """

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        reps: int,
        test: SequentialTest,
        verdict: str | None = None,
    ) -> None:
        self._drawn = Drawn(scenario, seed, reps)
        self._test = test
        self._verdict = verdict

    @property
    def title(self) -> str:
        about = f"{self._verdict} in " if self._verdict else ""
        return f"{about}{self._drawn.about}"

    @property
    def rule(self) -> str:
        test = self._test
        rate = f"rate of {self._verdict}" if self._verdict else "failure rate"
        return (
            f"sequential test (Wald 1945) of the {rate}, every {BATCH} trials: good is at "
            f"most {test.acceptable:.3g}, bad at least {test.unacceptable:.3g}; called bad "
            f"wrongly {test.alpha:.3g}, called good wrongly {test.beta:.3g}; undecided after "
            f"{self._drawn.reps} trials, a client cannot tell"
        )

    def identity(self) -> dict[str, Any]:
        test = self._test
        return {
            **self._drawn.identity(),
            "rates": [test.acceptable, test.unacceptable],
            "errors": [test.alpha, test.beta],
            **({"verdict": self._verdict} if self._verdict else {}),
        }

    def chunks(self) -> Iterator[Sequence[Schedule]]:
        return self._drawn.chunks()

    def answer(self, results: Sequence[TrialResult], *, all_run: bool) -> Conclusion | None:
        judged = [result for result in results if result.void is None]
        if 2 * len(judged) < len(results):
            return Conclusion("unclear", void_in_words(results))
        shows = partial(_shows, verdict=self._verdict)
        decision = self._test.decide(len(judged) - sum(map(shows, judged)), len(judged))
        said = _counted(results)
        if decision == "reject":
            failed = (number for number, each in enumerate(results) if shows(each))
            return Conclusion("bad", said, next(failed))
        if decision == "accept":
            return Conclusion("good", said)
        if not all_run:
            return None
        return Conclusion("unclear", f"undecided: {said}; raise --reps")


class ScheduleQuestion:
    """Does a schedule, or do schedules around it, show a verdict?

    Without a verdict: any failure.
    """

    def __init__(
        self,
        schedule: Schedule,
        verdict: str | None,
        reps: int = SCHEDULE_REPS,
        share: float = SHARE,
    ) -> None:
        self._schedules = neighbourhood(schedule, reps)
        self._verdict = verdict
        self._share = share

    @property
    def title(self) -> str:
        scenario = self._schedules[0].scenario
        return f"{self._trouble} in a schedule of {scenario} and {self._around} around it"

    @property
    def rule(self) -> str:
        return (
            f"bad if the schedule itself shows {self._trouble}, or at least {self._share:.3g} of "
            f"the {self._around} around it (times scaled, shifted and counted otherwise); good if "
            "none of them does; anything else cannot tell: fewer do, the schedule itself is void "
            "or ends otherwise, or most of the others do"
        )

    @property
    def _trouble(self) -> str:
        return self._verdict or "a failure"

    @property
    def _around(self) -> int:
        return len(self._schedules) - 1

    def identity(self) -> dict[str, Any]:
        return {
            "schedules": [schedule.to_dict() for schedule in self._schedules],
            "verdict": self._verdict,
            "share": self._share,
        }

    def chunks(self) -> Iterator[Sequence[Schedule]]:
        yield self._schedules

    def answer(self, results: Sequence[TrialResult], *, all_run: bool) -> Conclusion | None:
        itself, around = results[0], results[1:]
        shown = [number for number, each in enumerate(results) if self._shows(each)]
        judged = [result for result in around if result.void is None]
        near = sum(map(self._shows, judged))
        says = f"{self._trouble} in {near} of {len(judged)} around it"
        if self._shows(itself):
            return Conclusion("bad", f"{self._trouble} in itself, {says}", 0)
        if near and near >= self._share * len(judged):
            return Conclusion("bad", says, shown[0])
        if itself.void is not None:
            return Conclusion("unclear", f"the schedule is void here: {itself.void.says}")
        if not itself.passed:
            return Conclusion(
                "unclear", f"the schedule ends in {', '.join(itself.verdicts)} here; {says}"
            )
        if near:
            return Conclusion("unclear", f"too few show it: {says}")
        if 2 * sum(result.passed for result in around) < len(around):
            return Conclusion(
                "unclear", f"most schedules around it end otherwise: {_counted(around)}"
            )
        return Conclusion("good", says)

    def _shows(self, result: TrialResult) -> bool:
        return _shows(result, self._verdict)


def _shows(result: TrialResult, verdict: str | None) -> bool:
    """Whether the trial has that verdict among its own; None: whether it failed at all."""
    if result.void is not None:
        return False
    return not result.passed if verdict is None else verdict in result.verdicts


def void_in_words(results: Sequence[TrialResult]) -> str:
    """How many trials are void, and the most frequent reason; at least one must be void."""
    reasons = Counter(result.void.says for result in results if result.void is not None)
    reason, _ = reasons.most_common(1)[0]
    return f"{reasons.total()} of {len(results)} trials are void, most of them: {reason}"


def _counted(results: Sequence[TrialResult]) -> str:
    """Such as `31 of 100 fail: early 20, late 14`."""
    judged = [result for result in results if result.void is None]
    failed = [result for result in judged if not result.passed]
    counts = Counter(verdict for result in failed for verdict in result.verdicts)
    said = ", ".join(f"{name} {counts[name]}" for name in sorted(counts, key=ORDER.index))
    void = len(results) - len(judged)
    told = [f"{len(failed)} of {len(judged)} fail" if failed else f"none of {len(judged)} fails"]
    return ": ".join(filter(None, [*told, said])) + (f"; {void} void" if void else "")
