"""The user's own tests, run many times: found, measured, graded, and their failures kept."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from race_harness.campaign.campaign import FAILURES, examine, keep, run_campaign
from race_harness.campaign.comparison import ClientSummary, Comparison, compare
from race_harness.campaign.drawn import DrawnSchedules
from race_harness.campaign.nearest import nearest_in_words
from race_harness.campaign.progress import Progress, ProgressBar
from race_harness.campaign.resolve import INSTALLED, ClientUnderTest, find_tests
from race_harness.model.errors import UsageError
from race_harness.model.failure import Failure
from race_harness.model.grade import GRADES, Grade, grade_of, lesser, strategy_of
from race_harness.model.outcome import Void
from race_harness.model.schedule import Schedule
from race_harness.model.source_line import SourceLine
from race_harness.model.trace import LOG_VARIABLE
from race_harness.model.verdict import TrialResult
from race_harness.search import families as fault_families
from race_harness.search.for_tests import scenario_of
from race_harness.search.reduction import reduced
from race_harness.store.series import SeriesRecord
from race_harness.store.store import CampaignRecord
from race_harness.workers.pool import Workers, jobs_in
from race_harness.workers.selection import Selection

_TRIES: Final = 24
"""Repetitions in search of the smallest change that passes; few, since a test may take long."""


@dataclass(frozen=True)
class TestsAsked:
    """What the user asks of a command."""

    selection: Selection
    reps: int
    clients: tuple[str, ...] = (INSTALLED,)
    requirements: tuple[str, ...] = ()
    """What their environments hold as well; not for `installed`."""
    seed: int = 0
    jobs: int | None = None
    families: tuple[str, ...] = ()
    """Families of faults; without them there are no faults."""
    schedule: Schedule | None = None
    """One schedule in place of drawn ones."""
    placed: bool = False
    """Whether to report the places of the tests' lines, too."""


@dataclass(frozen=True)
class MeasuredTest:
    """One test on every client, on the same schedules."""

    comparison: Comparison
    failures: tuple[Failure | None, ...]
    """The first failure of each client, reduced."""
    voids: tuple[tuple[Void, ...], ...]
    """For each client, why repetitions have no verdict."""
    places: tuple[tuple[SourceLine, ...], ...] = ()
    """For each client, the places of the lines that schedules may name, if `placed`."""


def measure_tests(
    asked: TestsAsked, record: CampaignRecord, progress: Progress
) -> list[MeasuredTest]:
    """Run each test the same number of times on each client.

    Raises:
        ClientUnavailable: one of the clients is not available.
        UsageError: there is no such test or family of faults; the given schedule stalls at a line
            that does not exist; the record cannot be written.
        WorldBroken: a repetition left the simulation.
    """
    fault_families.check(asked.families)
    clients = [
        find_tests(argument, asked.selection, asked.requirements, progress.step)
        for argument in asked.clients
    ]
    jobs = min(jobs_in("sim", asked.jobs), asked.reps)
    schedules: dict[str, DrawnSchedules] = {}
    of_tests: dict[str, list[_OneClient]] = {}
    for position, client in enumerate(clients):
        with client.workers(jobs) as workers:
            with progress.bar(f"{client.resolved_version:>10} collecting", 0):
                workers.wait_ready()
            lines = workers.source_lines()
            places = tuple(workers.source_places()) if asked.placed else ()
            if asked.schedule is not None:
                lacking = lacking_line(asked.schedule, lines)
                if lacking and len(clients) == 1:
                    raise UsageError(f"{lacking}: name its module as source, or the schedule anew")
                if lacking:
                    progress.step(f"{client.resolved_version}: {lacking}")
            for test in workers.tests:
                if test not in schedules:
                    # The lines are those of the first client that has the test; on clients without
                    # such a line, the stall does not happen.
                    scenario = scenario_of(test, lines, asked.families, asked.schedule)
                    schedules[test] = DrawnSchedules(scenario, asked.seed, asked.reps)
                series = record.series(
                    client.series(
                        "",
                        test,
                        seed=asked.seed,
                        position=position,
                        drawn=asked.schedule is None,
                        reps=asked.reps,
                    )
                )
                with progress.bar(f"{client.resolved_version:>10} {test}", asked.reps) as bar:
                    bar.begin()
                    one = _measured(client, workers, schedules[test], series, bar)
                    one = replace(one, places=places)
                for says in one.unrepeated:
                    progress.step(
                        f"{says}; the test depends on something that is not simulated, such as "
                        f"its process id or the address of an object: {LOG_VARIABLE}=FILE writes "
                        "down what each repetition does"
                    )
                of_tests.setdefault(test, []).append(one)
                if one.summary.void:
                    reason = next(result.void.says for result in one.results if result.void)
                    progress.step(
                        f"{test}: {one.summary.void} of {one.summary.reps} repetitions are void, "
                        f"the first because: {reason}"
                    )
    return [
        MeasuredTest(
            compare(
                test,
                asked.seed,
                [(one.summary, one.results) for one in several],
                server="own",
                is_test=True,
            ),
            tuple(one.failure for one in several),
            tuple(
                tuple(result.void for result in one.results if result.void is not None)
                for one in several
            ),
            tuple(one.places for one in several),
        )
        for test, several in of_tests.items()
    ]


@dataclass(frozen=True)
class _OneClient:
    summary: ClientSummary
    results: Sequence[TrialResult]
    failure: Failure | None
    unrepeated: tuple[str, ...] = ()
    """What did not repeat."""
    places: tuple[SourceLine, ...] = ()


def lacking_line(schedule: Schedule, lines: Sequence[tuple[str, str]]) -> str:
    """A sentence on a missing line to stall at, which alone may let a test pass; else empty."""
    for stall in schedule.interleaving.stalls:
        if (stall.function, stall.line) not in lines:
            return f"no line `{stall.line}` in {stall.function} to stall at"
    return ""


def _measured(
    client: ClientUnderTest,
    workers: Workers,
    schedules: Sequence[Schedule],
    series: SeriesRecord,
    bar: ProgressBar,
) -> _OneClient:
    tried: Counter[str] = Counter()

    def ended(result: TrialResult) -> None:
        tried[strategy_of(schedules[result.index])] += 1
        bar.advance(passed=result.passed)

    unrepeated: list[str] = []
    campaign = run_campaign(
        client,
        schedules,
        workers,
        on_result=ended,
        failures=None,
        series=series,
        keeps_schedules=True,
        on_unrepeated=unrepeated.append,
    )
    failing = [result for result in campaign.results if result.void is None and not result.passed]
    graded = _graded(workers, [schedules[result.index] for result in failing])
    failure, path = None, None
    if graded and not unrepeated:
        failure, path = _kept(client, workers, graded, series)
    elif graded:
        failure, path = _kept_as_it_is(client, workers, graded, series)
    grades = Counter(grade for grade, _ in graded)
    found_by = Counter(strategy_of(schedules[result.index]) for result in failing)
    summary = replace(
        campaign.summary,
        first_failure=None if path is None else str(path),
        grades={grade: grades[grade] for grade in GRADES},
        strategies={
            strategy: (found_by[strategy], times) for strategy, times in sorted(tried.items())
        },
    )
    return _OneClient(summary, campaign.results, failure, tuple(unrepeated))


def _graded(workers: Workers, schedules: Sequence[Schedule]) -> list[tuple[Grade, Schedule]]:
    """Each failing schedule with its grade: the lowest at which it still fails."""
    graded: list[tuple[Grade, Schedule]] = []
    for schedule in schedules:
        for grade, less in lesser(schedule):
            result, _ = workers.run_whole(less)
            if result.void is None and not result.passed:
                graded.append((grade, less))
                break
        else:
            graded.append((grade_of(schedule), schedule))
    return graded


def _kept(
    client: ClientUnderTest,
    workers: Workers,
    graded: Sequence[tuple[Grade, Schedule]],
    series: SeriesRecord,
) -> tuple[Failure, Path]:
    """The first failure of the lowest grade, reduced, and what would make it pass."""
    schedule = _first_of_lowest(graded)
    cause = examine(client, workers, schedule).cause

    def fails(candidate: Schedule) -> bool:
        return examine(client, workers, candidate).cause == cause

    failure = examine(client, workers, reduced(schedule, fails), series, lines=True)
    passing = nearest_in_words(client, workers, failure.schedule, tries=_TRIES)
    failure = replace(failure, neighbour=passing)
    return failure, keep(failure, FAILURES, series)


def _kept_as_it_is(
    client: ClientUnderTest,
    workers: Workers,
    graded: Sequence[tuple[Grade, Schedule]],
    series: SeriesRecord,
) -> tuple[Failure, Path] | tuple[None, None]:
    """The failure of a test that does not repeat, if it fails again; not reduced, since trials of
    other schedules would prove nothing."""
    failure = examine(client, workers, _first_of_lowest(graded), series, lines=True)
    return (failure, keep(failure, FAILURES, series)) if failure.cause else (None, None)


def _first_of_lowest(graded: Sequence[tuple[Grade, Schedule]]) -> Schedule:
    return min(graded, key=lambda one: GRADES.index(one[0]))[1]
