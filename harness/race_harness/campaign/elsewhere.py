"""Trying a failure, or a schedule, in combinations of world and server.

The number of tries is fixed beforehand, and all of them are reported: nothing is repeated until it
fails.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Final

from race_harness.campaign.resolve import ClientUnderTest, find_client, recorded
from race_harness.model.combination import (
    REAL_FAKE,
    REAL_REAL,
    SIM_REAL,
    Combination,
    unavailable,
)
from race_harness.model.confirmation import Confirmation, tally
from race_harness.model.errors import ClientUnavailable, HarnessError, WorldBroken
from race_harness.model.failure import Failure
from race_harness.model.failure import confirm as confirm_in_file
from race_harness.model.outcome import Void
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import TrialResult
from race_harness.store.series import SeriesRecord
from race_harness.store.store import CampaignRecord
from race_harness.workers.pool import Workers, jobs_in
from race_harness.workers.protocol import WholeTrial

TRIES: Final = 5

_Key = tuple[str, str, Combination]
"""Client and server as `find_client` takes them, and the combination."""


def usual_combinations(server: str) -> tuple[Combination, ...]:
    """The combinations to try by default, by the server of the first trial.

    With the real server of another release than the client's, there is no simulation.
    """
    if server == "own":
        return (Combination("real", "own"),)
    if release := server.partition(":")[2]:
        return (replace(REAL_FAKE, release=release), replace(REAL_REAL, release=release))
    return (SIM_REAL, REAL_FAKE, REAL_REAL)


def schedules_of_tries(schedule: Schedule, tries: int, world: str) -> list[Schedule]:
    """The schedule `tries` times. In the simulation, where it would do the same each time, all but
    the first have another entropy: other ids and other jitter, and nothing else."""
    if world == "real":
        return [schedule] * tries
    return [
        replace(schedule, entropy=(schedule.entropy + number) % 2**63) for number in range(tries)
    ]


@dataclass(frozen=True)
class Tries:
    """The results of a schedule in one combination, try by try."""

    client: ClientUnderTest
    workers: Workers
    schedules: Sequence[Schedule]
    results: Sequence[TrialResult]
    wholes: Mapping[int, WholeTrial]
    """The tries that failed, by index, as whole trials."""
    series: SeriesRecord | None
    """The series that records them."""

    def confirmation(self, verdict: str | None) -> Confirmation:
        """The tries, counted by whether they reproduced that verdict; None: there is none yet."""
        return Confirmation(
            tries=len(self.results),
            reproduced=sum(verdict in result.verdicts for result in self.results),
            verdicts=tally(result.verdicts or ("void",) for result in self.results),
            resolved_version=self.client.resolved_version,
            server_version=self.workers.server_version or None,
        )


class Confirmer:
    """Tries failures of one client, in combinations whose workers start when they are needed.

    The workers stay for the next failure; leaving the context ends them.

    `jobs`: how many tries run at once; None: the default of `jobs_in`.
    `record`: the campaign in which every try is recorded as it ends.
    `client_of`: gives the client and server to try a failure with: `recorded`, or `permitted` for
    failures from files that may come from anybody.
    """

    def __init__(
        self,
        progress: Callable[[str], None],
        *,
        tries: int = TRIES,
        jobs: int | None = 1,
        record: CampaignRecord | None = None,
        client_of: Callable[[Failure, Combination], tuple[str, str]] = recorded,
    ) -> None:
        self._progress = progress
        self._client_of = client_of
        self._record = record
        self._tries = tries
        self._jobs = jobs
        self._started: dict[_Key, tuple[ClientUnderTest, Workers]] = {}
        self._lacking: dict[_Key, ClientUnavailable] = {}
        self._stack = ExitStack()

    def __enter__(self) -> "Confirmer":
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._stack.__exit__(exc_type, exc, tb)

    def tried(self, failure: Failure, combination: Combination) -> Confirmation:
        """Try the failure in a combination.

        Raises:
            ClientUnavailable: the client or its server is not available.
            UsageError: the client has no such server.
            WorldBroken: a trial left its world.
        """
        if reason := cannot_run(failure.schedule, combination):
            return not_tried(failure.resolved_version, reason)
        tries = self.tries(*self._client_of(failure, combination), failure.schedule, combination)
        return tries.confirmation(failure.judgement.headline)

    def tries(
        self, argument: str, server: str, schedule: Schedule, combination: Combination
    ) -> Tries:
        """Try a schedule that the combination can run, on a client and a server as `find_client`
        takes them; raises what `tried` raises."""
        key = (argument, server, combination)
        if key in self._lacking:
            raise self._lacking[key]
        try:
            client, workers = self._workers(key)
        except ClientUnavailable as error:
            # Asking again would take time and give the same answer.
            self._lacking[key] = error
            raise
        schedules = schedules_of_tries(schedule, self._tries, combination.world)
        series = None
        if self._record is not None:
            given = client.series(workers.server_version, schedule.scenario, drawn=False)
            series = self._record.series(self._record.with_place(given))
        wholes: dict[int, WholeTrial] = {}

        def failed(result: TrialResult, whole: WholeTrial) -> None:
            wholes[result.index] = whole

        ended = None if series is None else series.batch(schedules)
        try:
            results = workers.run(schedules, ended, failed)
        except WorldBroken:
            # These workers answer no more; the next failure gets new ones.
            del self._started[key]
            raise
        return Tries(client, workers, schedules, results, wholes, series)

    def _workers(self, key: _Key) -> tuple[ClientUnderTest, Workers]:
        if key not in self._started:
            argument, server, combination = key
            client = find_client(argument, self._progress, server=server, world=combination.world)
            self._progress(f"trying it in {combination}")
            jobs = min(self._tries, jobs_in(combination.world, self._jobs))
            workers = self._stack.enter_context(client.workers(jobs))
            workers.wait_ready()
            self._started[key] = client, workers
        return self._started[key]


def cannot_run(schedule: Schedule, combination: Combination) -> str | None:
    """Why a combination cannot run a schedule; None: it can."""
    reasons = unavailable(schedule, combination.world, combination.server)
    return Void("not-run", "; ".join(reasons)).says if reasons else None


def not_tried(resolved_version: str, reason: str) -> Confirmation:
    return Confirmation(0, 0, {}, resolved_version, reason=reason)


def confirm_everywhere(
    file: Path,
    failure: Failure,
    combinations: Sequence[Combination],
    confirmer: Confirmer,
    record: CampaignRecord,
) -> tuple[Failure, dict[str, Confirmation], list[ClientUnavailable]]:
    """Try a failure in one combination after another, and put each result into its file at once,
    so that an interrupt loses none.

    Returns the failure with all results, the results of now, and why it could not be tried in
    some combination.

    Raises:
        UsageError: the file cannot be written.
    """
    results: dict[str, Confirmation] = {}
    lacking: list[ClientUnavailable] = []
    for each in combinations:
        try:
            result = confirmer.tried(failure, each)
        except ClientUnavailable as error:
            lacking.append(error)
            result = not_tried(failure.resolved_version, str(error))
        results[str(each)] = result
        failure = confirm_in_file(file, each, result)
        record.store.confirmed(failure, each)
    return failure, results, lacking


def try_on_real_server(confirmer: Confirmer, failure: Failure, path: Path) -> Failure:
    """Try a failure in `sim×real` and put the result into its file.

    If the server is not available, or leaves the simulation, the file says so; that is no error.
    """
    try:
        confirmation = confirmer.tried(failure, SIM_REAL)
    except HarnessError as error:
        confirmation = not_tried(failure.resolved_version, str(error).partition("\n")[0])
    return confirm_in_file(path, SIM_REAL, confirmation)
