"""A sweep: one stall at each line that a test, or a client, executes; then at pairs of lines.

Random schedules may miss the one line that matters; a sweep leaves none out.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

from race_harness.campaign.campaign import examine, keep
from race_harness.campaign.own_tests import TestsAsked
from race_harness.campaign.progress import Progress, ProgressBar
from race_harness.campaign.resolve import ClientUnderTest, find_client, find_tests
from race_harness.model.errors import WorldBroken
from race_harness.model.failure import Failure
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import LineStall, Schedule
from race_harness.model.source_line import Line, SourceLine
from race_harness.model.verdict import TrialResult, passes
from race_harness.search.promising import Course, Stalled, course_of, promising_pairs
from race_harness.store.series import SeriesRecord
from race_harness.store.store import CampaignRecord
from race_harness.workers.pool import Workers, jobs_in
from race_harness.workers.protocol import WholeTrial


@dataclass(frozen=True)
class SweepAsked:
    """The settings of a sweep."""

    lengths_ms: tuple[float, ...]
    """Lengths of stalls in virtual milliseconds, ascending."""
    pairs: int
    """How many pairs of lines it tries at most."""


@dataclass(frozen=True)
class Losing:
    """One line, or two, at which stalls lose the race."""

    lines: tuple[SourceLine, ...]
    lengths_ms: tuple[float, ...]
    """The shortest lengths that do, of those tried; one for each line."""
    verdicts: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class Swept:
    """The result of one test, or of one scenario."""

    name: str
    passes_as_it_is: bool
    """Whether it passes without stalls. If not, no line is to blame, and none was tried."""
    lines: int
    """How many there are in its source."""
    reached: int = 0
    """How many of them the trial reached; it cannot stall at the others."""
    promising: int = 0
    """How many pairs of lines looked promising."""
    pairs: int = 0
    """How many of these were tried."""
    trials: int = 1
    losing: tuple[Losing, ...] = ()
    losing_pairs: tuple[Losing, ...] = ()
    failure: Failure | None = None
    """The first failure."""
    path: Path | None = None


def sweep_tests(
    asked: TestsAsked, how: SweepAsked, record: CampaignRecord, progress: Progress
) -> list[Swept]:
    """Stall each test at each line, on top of the schedule that the user gave, if any.

    Raises:
        ClientUnavailable, UsageError, WorldBroken: as `own_tests.measure_tests`.
    """
    (argument,) = asked.clients
    client = find_tests(argument, asked.selection, asked.requirements, progress.step)
    with client.workers(jobs_in("sim", asked.jobs)) as workers:
        with progress.bar("collecting", 0):
            workers.wait_ready()
        found = []
        for test in workers.tests:
            base = replace(asked.schedule or Schedule(test), scenario=test)
            series = record.series(client.series("", test, drawn=False))
            found.append(_Sweep(client, workers, base, how, series, progress).run())
        return found


def sweep_scenario(
    argument: str,
    scenario: Scenario,
    how: SweepAsked,
    *,
    seed: int,
    jobs: int | None,
    server: str,
    record: CampaignRecord,
    progress: Progress,
) -> Swept:
    """Stall a client at each line of its source, in the simplest schedule of the scenario.

    Raises:
        ClientUnavailable: the client is not available.
        WorldBroken: a trial escaped the simulation, or did not repeat.
    """
    client = find_client(argument, progress.step, server=server)
    base = scenario.given or _simplest(scenario, seed)
    with client.workers(jobs_in("sim", jobs)) as workers:
        with progress.bar(f"{client.resolved_version:>10} {scenario.name}", 0):
            workers.wait_ready()
        series = record.series(client.series(workers.server_version, scenario.name, drawn=False))
        return _Sweep(client, workers, base, how, series, progress).run()


def _simplest(scenario: Scenario, seed: int) -> Schedule:
    from race_harness.search.minimal import minimal_schedule

    found = minimal_schedule(scenario, seed, lambda _schedule: True)
    assert found is not None, "a scenario has schedules"
    return found


@dataclass
class _Sweep:
    client: ClientUnderTest
    workers: Workers
    base: Schedule
    how: SweepAsked
    series: SeriesRecord
    progress: Progress
    trials: int = 1
    harmless: dict[Line, Stalled] = field(default_factory=dict)
    """Lines at which stalls did not lose."""

    def run(self) -> Swept:
        name, lines = self.base.scenario, self.workers.source_places()
        plain = examine(self.client, self.workers, self.base, self.series)
        if plain.void is not None or not passes(plain.judgement.verdicts):
            return Swept(name, False, len(lines))
        reached = self._reached(lines)
        losing = self._singles(reached, course_of(plain.happenings))
        promising = promising_pairs([*self.harmless.values()])
        tried = promising[: self.how.pairs]
        losing_pairs = self._pairs(tried)
        failure, path = self._kept([*losing, *losing_pairs])
        return Swept(
            name,
            True,
            len(lines),
            len(reached),
            len(promising),
            len(tried),
            self.trials,
            tuple(losing),
            tuple(losing_pairs),
            failure,
            path,
        )

    def _reached(self, lines: Sequence[SourceLine]) -> list[SourceLine]:
        """The lines that it reaches by itself: stalls of length 0 show which."""
        self.trials += 1
        looking = self._stalled(lines, [0.0] * len(lines))
        _, trial = self.workers.run_whole(looking)
        reached = {
            (entry["function"], entry["line"])
            for entry in trial.happenings
            if entry["what"] == "line-stalled"
        }
        return [line for line in lines if line.line in reached]

    def _singles(self, lines: Sequence[SourceLine], course: Course) -> list[Losing]:
        """Stall at single lines, the shortest stalls first; a line that has lost is left alone."""
        found: dict[Line, Losing] = {}
        left = list(lines)
        for for_ms in self.how.lengths_ms:
            tries = [((line,), (for_ms,)) for line in left]
            for (line,), losing, trial in self._tried(
                f"{self.base.scenario} {for_ms:g} ms", tries
            ):
                thread = _stalled_thread(trial, line)
                if thread is None:
                    continue
                if losing is not None:
                    found[line.line] = losing
                    self.harmless.pop(line.line, None)
                    continue
                before = self.harmless.get(line.line)
                changed = course_of(trial.happenings) != course
                changed = changed or (before is not None and before.changed)
                self.harmless[line.line] = Stalled(line, thread, changed)
            left = [line for line in left if line.line not in found]
        return [found[line.line] for line in lines if line.line in found]

    def _pairs(self, pairs: Sequence[tuple[SourceLine, SourceLine]]) -> list[Losing]:
        """Stall at each pair with every two lengths of which at least one is the longest."""
        longest = self.how.lengths_ms[-1]
        both = [two for two in product(self.how.lengths_ms, repeat=2) if longest in two]
        tries = [(pair, two) for pair in pairs for two in both]
        found: dict[tuple[SourceLine, ...], Losing] = {}
        for lines, losing, _ in self._tried(f"{self.base.scenario} pairs", tries):
            if losing is not None:
                found.setdefault(lines, losing)
        return [*found.values()]

    def _tried(
        self,
        label: str,
        tries: Sequence[tuple[tuple[SourceLine, ...], tuple[float, ...]]],
    ) -> Iterator[tuple[tuple[SourceLine, ...], Losing | None, WholeTrial]]:
        """In order, for each try: the lines, how they lose if they do, and the trial."""
        if not tries:
            return
        schedules = [self._stalled(lines, lengths) for lines, lengths in tries]
        self.trials += len(tries)
        with self.progress.bar(label, len(tries)) as bar:
            bar.begin()
            trials = self.workers.stream(schedules, "all")
            for result, trial in _in_order(self._recorded(trials, schedules, bar)):
                lines, lengths = tries[result.index]
                lost = result.void is None and not result.passed
                losing = Losing(lines, lengths, result.verdicts, result.digest) if lost else None
                yield lines, losing, trial

    def _recorded(
        self,
        trials: Iterable[tuple[TrialResult, WholeTrial | None]],
        schedules: Sequence[Schedule],
        bar: ProgressBar,
    ) -> Iterator[tuple[TrialResult, WholeTrial]]:
        for result, trial in trials:
            assert trial is not None
            self.series.next_trial(result, schedules[result.index])
            bar.advance(passed=result.passed)
            yield result, trial

    def _stalled(self, lines: Sequence[SourceLine], lengths: Sequence[float]) -> Schedule:
        had = self.base.interleaving
        stalls = [
            LineStall(line.function, line.text, 1, for_ms)
            for line, for_ms in zip(lines, lengths, strict=True)
        ]
        return replace(self.base, interleaving=replace(had, stalls=(*had.stalls, *stalls)))

    def _kept(self, losing: Sequence[Losing]) -> tuple[Failure | None, Path | None]:
        if not losing:
            return None, None
        first = losing[0]
        schedule = self._stalled(first.lines, first.lengths_ms)
        failure = examine(self.client, self.workers, schedule, self.series, lines=True)
        if failure.digest != first.digest:
            raise WorldBroken(
                f"a stall at {first.lines[0].text!r} did not repeat: digest {first.digest}, then "
                f"{failure.digest}"
            )
        return failure, keep(failure, series=self.series)


def _stalled_thread(trial: WholeTrial, line: SourceLine) -> str | None:
    """The thread that was stalled there; None: none, since the trial is void."""
    for entry in trial.happenings:
        if entry["what"] == "line-stalled" and (entry["function"], entry["line"]) == line.line:
            return str(entry["thread"])
    return None


def _in_order(
    trials: Iterable[tuple[TrialResult, WholeTrial]],
) -> Iterator[tuple[TrialResult, WholeTrial]]:
    """The trials in the order of the requests, in whatever order they come."""
    waiting: dict[int, tuple[TrialResult, WholeTrial]] = {}
    due = 0
    for result, trial in trials:
        waiting[result.index] = result, trial
        while due in waiting:
            yield waiting.pop(due)
            due += 1
