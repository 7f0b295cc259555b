"""Tests of somebody's own, run many times: found, measured, graded, and their failures kept."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from race_harness.campaign.campaign import FAILURES, examine, keep, run_campaign
from race_harness.campaign.comparison import Comparison, compare
from race_harness.campaign.progress import Progress, ProgressBar
from race_harness.campaign.resolve import ClientUnderTest, tests_here
from race_harness.model.failure import Failure
from race_harness.model.grade import GRADES, Grade, grade_of, lesser, strategy_of
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule
from race_harness.search import families as fault_families
from race_harness.search.draw import draw_schedules
from race_harness.search.reduction import reduced
from race_harness.store.series import SeriesRecord
from race_harness.store.store import CampaignRecord
from race_harness.workers.pool import Workers, jobs_in
from race_harness.workers.selection import Selection


@dataclass(frozen=True)
class TestsAsked:
    """What a command asks for."""

    selection: Selection
    reps: int
    seed: int = 0
    jobs: int | None = None
    families: tuple[str, ...] = ()
    """Of faults; without any there are none."""
    schedule: Schedule | None = None
    """One schedule in place of drawn ones."""


def measure_tests(
    asked: TestsAsked, record: CampaignRecord, progress: Progress
) -> list[tuple[Comparison, Failure | None]]:
    """Run each test so many times; its numbers, and its first failure, reduced.

    Raises:
        UsageError: there is no such test or family of faults; the record cannot be written.
        WorldBroken: a repetition left the simulation, or did not repeat.
    """
    fault_families.check(asked.families)
    client = tests_here(asked.selection)
    jobs = min(jobs_in("sim", asked.jobs), asked.reps)
    measured = []
    with client.workers(jobs) as workers:
        with progress.bar("collecting", 0):
            workers.wait_ready()
        lines = workers.source_lines()
        for position, test in enumerate(workers.tests):
            scenario = _scenario(test, lines, asked)
            schedules = list(draw_schedules(scenario, asked.seed, asked.reps))
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
            with progress.bar(test, asked.reps) as bar:
                bar.begin()
                measured.append(_measured(client, workers, schedules, asked.seed, series, bar))
            _tell_voids(measured[-1][0], progress)
    return measured


def _scenario(test: str, lines: Sequence[tuple[str, str]], asked: TestsAsked) -> Scenario:
    from race_harness.search.portfolio import portfolio

    given = asked.schedule
    if given is not None:
        given = replace(given, scenario=test)
    return Scenario(
        test,
        "a test of your own",
        lambda: portfolio(test, lines, asked.families),
        given=given,
        source="test",
    )


def _measured(
    client: ClientUnderTest,
    workers: Workers,
    schedules: Sequence[Schedule],
    seed: int,
    series: SeriesRecord,
    bar: ProgressBar,
) -> tuple[Comparison, Failure | None]:
    campaign = run_campaign(
        client,
        schedules,
        workers,
        on_result=lambda result: bar.advance(passed=result.passed),
        failures=None,
        series=series,
        keeps_schedules=True,
    )
    failing = [result for result in campaign.results if result.void is None and not result.passed]
    graded = _graded(workers, [schedules[result.index] for result in failing])
    failure, path = None, None
    if graded:
        failure, path = _kept(client, workers, graded, series)
    grades = Counter(grade for grade, _ in graded)
    found_by = Counter(strategy_of(schedules[result.index]) for result in failing)
    summary = replace(
        campaign.summary,
        first_failure=None if path is None else str(path),
        grades={grade: grades[grade] for grade in GRADES},
        strategies={
            strategy: (found_by[strategy], tried)
            for strategy, tried in sorted(Counter(map(strategy_of, schedules)).items())
        },
    )
    comparison = compare(
        schedules[0].scenario,
        seed,
        [(summary, campaign.results)],
        server=client.server,
        is_test=True,
    )
    return comparison, failure


def _graded(workers: Workers, schedules: Sequence[Schedule]) -> list[tuple[Grade, Schedule]]:
    """Each failing schedule with its grade: the lowest in which it still fails."""
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
    """The first failure of the lowest grade, reduced."""
    _, schedule = min(graded, key=lambda one: GRADES.index(one[0]))
    cause = examine(client, workers, schedule).cause

    def fails(candidate: Schedule) -> bool:
        return examine(client, workers, candidate).cause == cause

    failure = examine(client, workers, reduced(schedule, fails), series)
    return failure, keep(failure, FAILURES, series)


def _tell_voids(comparison: Comparison, progress: Progress) -> None:
    (client,) = comparison.clients
    if client.void:
        progress.step(f"{comparison.scenario}: {client.void} repetitions are void")
