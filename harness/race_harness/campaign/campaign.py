"""A campaign: the same schedules for one client after another, and their results."""

import contextlib
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from race_harness.campaign.compact import CompactResults
from race_harness.campaign.comparison import ClientSummary, summarise
from race_harness.campaign.kept_files import place_of
from race_harness.campaign.resolve import ClientUnderTest
from race_harness.model.confirmation import by_itself
from race_harness.model.errors import WorldBroken
from race_harness.model.failure import Failure
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import Judgement, TrialResult
from race_harness.store.series import SeriesRecord
from race_harness.workers.pool import Workers
from race_harness.workers.protocol import Whole, WholeTrial
from race_harness.workers.selection import Selection

FAILURES = Path(".race/failures")
"""Where failure files go, below the current directory."""


@dataclass(frozen=True)
class Campaign:
    summary: ClientSummary
    results: Sequence[TrialResult]
    """By their numbers, and without `concerned`: see `CompactResults`."""


def run_campaign(
    client: ClientUnderTest,
    schedules: Sequence[Schedule],
    workers: Workers,
    *,
    start: int = 0,
    on_result: Callable[[TrialResult], None] = lambda _result: None,
    failures: Path | None = FAILURES,
    series: SeriesRecord | None = None,
    keeps_schedules: bool = False,
    strict: bool = False,
    on_unrepeated: Callable[[str], None] | None = None,
) -> Campaign:
    """Run every schedule once, on workers that are ready, and write the first failure to a file.

    `start`: the number of the first trial to run; those before it have run already.
    `failures`: the folder of the file; None: only the record keeps the failure.
    `series`: records each trial as it ends, before `on_result` gets it; with `keeps_schedules`
    also its schedule, if no seed gives it.
    `strict`: everything but `ok` is a failure.
    `on_unrepeated`: called when the first failure does not repeat, and so has no file; without it
    this is an error.

    Raises:
        WorldBroken: a worker lost control, died, or did not repeat its first failure.
        UsageError: the failure file or the record cannot be written.
    """

    results = CompactResults(start=start)

    def ended(result: TrialResult) -> None:
        numbered = replace(result, index=start + result.index)
        if series is not None:
            series.trial(numbered, schedules[numbered.index] if keeps_schedules else None)
        results.add(numbered)
        on_result(numbered)

    began = time.perf_counter()
    once = _Once() if client.combination.in_real_time else None
    wholes: Whole = None if once is None else "not-ok" if strict else "failed"
    with contextlib.closing(_each(schedules[start:])) as wanted:
        for result, trial in workers.stream(wanted, wholes):
            ended(result)
            if once is not None and trial is not None:
                once(result, trial)
    elapsed_s = time.perf_counter() - began
    failed = next((r for r in results if not r.passes(strict=strict) and r.void is None), None)
    path = None
    if failed is not None:
        schedule = schedules[failed.index]
        if once is not None:
            whole = once.wholes[failed.index - start]
            failure = whole_failure(client, workers, schedule, failed, whole)
        else:
            failure = examine(client, workers, schedule)
        if failure.digest != failed.digest:
            says = (
                f"repetition {failed.index} of {schedule.scenario} did not repeat: "
                f"digest {failed.digest}, then {failure.digest}"
            )
            if on_unrepeated is None:
                raise WorldBroken(says)
            on_unrepeated(says)
        elif failures is not None:
            path = keep(failure, failures, series)
        elif series is not None:
            series.failure(failure)
    summary = summarise(
        client.argument,
        client.resolved_version,
        results,
        elapsed_s,
        str(path) if path is not None else None,
    )
    return Campaign(summary, results)


def _each(schedules: Sequence[Schedule]) -> Generator[Schedule]:
    yield from schedules


class _Once:
    """Keeps the first failure whole, for real time, where it may not happen a second time."""

    def __init__(self) -> None:
        self.wholes: dict[int, WholeTrial] = {}

    def __call__(self, result: TrialResult, whole: WholeTrial) -> None:
        self.wholes[result.index] = whole
        first = min(self.wholes)
        self.wholes = {first: self.wholes[first]}


def examine(
    client: ClientUnderTest,
    workers: Workers,
    schedule: Schedule,
    series: SeriesRecord | None = None,
    *,
    lines: bool = False,
) -> Failure:
    """Run a schedule once more and keep all of it, whatever its verdict.

    `series`: records it under the next number. `lines`: for a test, include the lines that its
    threads ran, for its story.
    """
    result, whole = workers.run_whole(schedule, "lines" if lines else "all")
    if series is not None:
        series.next_trial(result, schedule)
    return whole_failure(client, workers, schedule, result, whole)


def whole_failure(
    client: ClientUnderTest,
    workers: Workers,
    schedule: Schedule,
    result: TrialResult,
    whole: WholeTrial,
) -> Failure:
    """A worker's report of a trial, in the form of a failure file; the trial may have passed."""
    notes = whole.notes
    if result.void is not None:
        unreached = "" if result.void.kind == "not-run" else "run() was never reached: "
        notes += (f"void, {unreached}{result.void.says}",)
    server_version = workers.server_version or None
    selection = Selection.from_adapter(client.adapter)
    version = client.resolved_version
    failed = result.void is None and not result.passed
    return Failure(
        schedule=schedule,
        judgement=Judgement(result.verdicts or ("void",), whole.evidence, notes),
        digest=result.digest,
        client=client.anywhere,
        resolved_version=version,
        server=client.server,
        server_version=server_version,
        world=client.world,
        happenings=whole.happenings,
        stacks=whole.stacks,
        source=() if selection is None else selection.source,
        child_processes=selection is not None and selection.child_processes,
        at_client=selection is not None and selection.at_client,
        invariant=selection is not None and selection.invariant,
        void=result.void,
        confirmed=(
            by_itself(client.combination, result.verdicts, version, server_version)
            if failed
            else {}
        ),
    )


def keep(failure: Failure, failures: Path = FAILURES, series: SeriesRecord | None = None) -> Path:
    """Write a failure file, and record it if `series` has its trial; return the file's path. A
    file that holds another failure stays as it is.

    Raises:
        UsageError: it cannot be written.
    """
    path = place_of(failure, failures)
    failure.write(path)
    ignore = failures.parent / ".gitignore"
    if failures == FAILURES and not ignore.exists():
        # Keep users from committing by accident what a run leaves in their repository.
        ignore.write_text("*\n")
    if series is not None:
        series.failure(failure, path)
    return path
