"""A sweep: one stall at each line that a test executes, one repetition each.

Where drawing at random may miss the one line that matters, this leaves none out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from race_harness.campaign.campaign import examine, keep
from race_harness.campaign.own_tests import TestsAsked
from race_harness.campaign.progress import Progress
from race_harness.campaign.resolve import ClientUnderTest, find_tests
from race_harness.model.errors import WorldBroken
from race_harness.model.failure import Failure
from race_harness.model.schedule import Interleaving, LineStall, Schedule
from race_harness.model.verdict import TrialResult
from race_harness.store.store import CampaignRecord
from race_harness.workers.pool import Workers, jobs_in
from race_harness.workers.protocol import WholeTrial

Line = tuple[str, str]
"""Function, and text of a line in it."""


@dataclass(frozen=True)
class Swept:
    """What came of one test."""

    test: str
    passes_as_it_is: bool
    """Without any stall. Where it does not, no line is to blame, and none was tried."""
    lines: int
    """How many there are in its source."""
    reached: int
    """How many of them it came to: the others cannot be stalled at."""
    losing: tuple[tuple[Line, tuple[str, ...]], ...]
    """Lines at which a stall makes it fail, with the verdicts."""
    failure: Failure | None
    """The first of them."""
    path: Path | None


def sweep(
    asked: TestsAsked, for_ms: float, record: CampaignRecord, progress: Progress
) -> list[Swept]:
    """Stall each test at the first visit of each line for so many virtual milliseconds.

    Raises:
        ClientUnavailable, UsageError, WorldBroken: as `own_tests.measure_tests`.
    """
    (argument,) = asked.clients
    client = find_tests(argument, asked.selection, asked.requirements, progress.step)
    with client.workers(jobs_in("sim", asked.jobs)) as workers:
        with progress.bar("collecting", 0):
            workers.wait_ready()
        lines = workers.source_lines()
        return [
            _swept(client, workers, test, lines, for_ms, record, progress)
            for test in workers.tests
        ]


def _swept(
    client: ClientUnderTest,
    workers: Workers,
    test: str,
    lines: Sequence[Line],
    for_ms: float,
    record: CampaignRecord,
    progress: Progress,
) -> Swept:
    series = record.series(client.series("", test, drawn=False))
    plain = examine(client, workers, Schedule(test), series)
    if plain.judgement.headline != "ok":
        return Swept(test, False, len(lines), 0, (), None, None)
    schedules = [_stalled(test, line, for_ms) for line in lines]
    reached, digest = 0, ""
    losing: list[tuple[Line, tuple[str, ...]]] = []
    with progress.bar(test, len(lines)) as bar:
        bar.begin()
        for result, trial in _in_order(workers.stream(schedules, "all")):
            series.next_trial(result, schedules[result.index])
            bar.advance(passed=result.passed)
            reached += any(entry["what"] == "line-stalled" for entry in trial.happenings)
            if result.void is None and not result.passed:
                digest = digest or result.digest
                losing.append((lines[result.index], result.verdicts))
    failure = path = None
    if losing:
        failure = examine(client, workers, _stalled(test, losing[0][0], for_ms), series)
        if failure.digest != digest:
            raise WorldBroken(
                f"a stall at {losing[0][0][1]!r} did not repeat: digest {digest}, then "
                f"{failure.digest}"
            )
        path = keep(failure, series=series)
    return Swept(test, True, len(lines), reached, tuple(losing), failure, path)


def _stalled(test: str, line: Line, for_ms: float) -> Schedule:
    stall = LineStall(line[0], line[1], 1, for_ms)
    return Schedule(test, interleaving=Interleaving(stalls=(stall,)))


def _in_order(
    trials: Iterator[tuple[TrialResult, WholeTrial | None]],
) -> Iterator[tuple[TrialResult, WholeTrial]]:
    """As the lines are, whichever came first."""
    wholes = {}
    for result, trial in trials:
        assert trial is not None
        wholes[result.index] = result, trial
    for index in sorted(wholes):
        yield wholes[index]
