"""Tries a failure of a test in real time, over real sockets, a fixed number of times.

Nothing decides when real threads switch, and a test's own network is the machine's. Only the
stalls of a schedule are left: if they alone make the test fail, they do so here.
"""

from dataclasses import replace
from pathlib import Path
from typing import Final

from race_harness.campaign.campaign import whole_failure
from race_harness.campaign.finding import ForTest
from race_harness.campaign.own_tests import lacking_line
from race_harness.campaign.progress import Progress
from race_harness.model.combination import Combination
from race_harness.model.confirmation import Confirmation, tally
from race_harness.model.errors import UsageError
from race_harness.model.failure import Failure
from race_harness.model.failure import confirm as confirm_in_file
from race_harness.model.schedule import Interleaving, Schedule
from race_harness.model.verdict import TrialResult
from race_harness.store.store import CampaignRecord
from race_harness.workers.protocol import WholeTrial

TRIES: Final = 100
NATIVE: Final = Combination("real", "own")


def kept_natively(schedule: Schedule) -> Schedule:
    """The part of a schedule that applies in real time."""
    stalls = schedule.interleaving.stalls
    return Schedule(schedule.scenario, schedule.entropy, interleaving=Interleaving(stalls=stalls))


def left_out(schedule: Schedule) -> list[str]:
    """The fields that do not apply, such as `network.socket.latency_ms`."""
    kept = set(kept_natively(schedule).non_default_fields())
    return [field for field in schedule.non_default_fields() if field not in kept]


def confirm_natively(
    file: Path,
    failure: Failure,
    finder: ForTest,
    argument: str,
    *,
    tries: int,
    jobs: int,
    record: CampaignRecord,
    progress: Progress,
) -> tuple[Failure, Confirmation]:
    """Run the test `tries` times, and put the results into the file. A try reproduces the failure
    if it fails by the same cause.

    Raises:
        ClientUnavailable: the client, or its environment, is not available.
        UsageError: the test, or a line at which the schedule stalls, does not exist; the file, or
            the record, cannot be written.
        WorldBroken: a repetition could not be run.
    """
    client = replace(finder, world="real").find(argument, progress.step)
    schedules = [kept_natively(failure.schedule)] * tries
    reproduced = 0
    with (
        client.workers(min(jobs, tries)) as workers,
        progress.bar(f"{client.resolved_version:>10} natively", tries) as bar,
    ):
        workers.wait_ready()
        if lacking := lacking_line(failure.schedule, workers.source_lines()):
            raise UsageError(f"{lacking}: the test is another one than when it failed")
        bar.begin()
        series = record.series(client.series("", failure.schedule.scenario, drawn=False))
        write_down = series.batch(schedules)

        def ended(result: TrialResult) -> None:
            write_down(result)
            bar.advance(passed=result.passed)

        def failed(result: TrialResult, whole: WholeTrial) -> None:
            nonlocal reproduced
            same = whole_failure(client, workers, schedules[result.index], result, whole)
            reproduced += same.cause == failure.cause

        results = workers.run(schedules, ended, failed)
    confirmation = Confirmation(
        tries=tries,
        reproduced=reproduced,
        verdicts=tally(result.verdicts or ("void",) for result in results),
        resolved_version=client.resolved_version,
    )
    failure = confirm_in_file(file, NATIVE, confirmation)
    record.store.confirmed(failure, NATIVE)
    return failure, confirmation
