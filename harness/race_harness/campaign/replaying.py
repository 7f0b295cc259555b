"""Runs a failure's schedule again, and says whether it fails in the same way."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import batched

from race_harness.campaign.campaign import whole_failure
from race_harness.campaign.named_test import find_named_test
from race_harness.campaign.progress import Progress
from race_harness.campaign.resolve import ClientUnderTest, asked_of, find_client, permitted
from race_harness.model.errors import UsageError
from race_harness.model.failure import Failure
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import TrialResult
from race_harness.model.version import __version__
from race_harness.store.store import CampaignRecord
from race_harness.workers.pool import Workers, jobs_in


@dataclass(frozen=True)
class Replayed:
    """The new trials of a failure's schedule."""

    before: Failure
    client: ClientUnderTest
    afters: Sequence[Failure]

    @property
    def same_verdict(self) -> int:
        """How many of them have the same verdicts as before."""
        verdicts = self.before.judgement.verdicts
        return sum(after.judgement.verdicts == verdicts for after in self.afters)

    @property
    def same_digest(self) -> int:
        """How many of them have the same digest as before."""
        return sum(after.digest == self.before.digest for after in self.afters)

    @property
    def only_the_verdict(self) -> str | None:
        """Why only the verdict can be the same; None: the digest must be the same, too."""
        before, client = self.before, self.client
        if client.resolved_version != before.resolved_version:
            return (
                f"the file is of {before.resolved_version}, this is {client.resolved_version}: "
                "only the verdict can be the same"
            )
        if client.combination != before.combination:
            return (
                f"the file is of {before.combination}, this is {client.combination}: "
                "only the verdict can be the same"
            )
        if client.combination.in_real_time:
            return "in real time only the verdict can be the same"
        if before.harness_version != __version__:
            return (
                f"the file was written by race-harness {before.harness_version}, this is "
                f"{__version__}: only the verdict can be expected to be the same"
            )
        return None

    @property
    def reproduced(self) -> bool:
        """Whether all that can be the same was the same every time."""
        times = len(self.afters)
        digests = self.same_digest == times or self.only_the_verdict is not None
        return self.same_verdict == times and digests


@dataclass(frozen=True)
class Replayer:
    """Runs schedules of failures again, each with the client of its file unless the user names
    another. The user must name a client that is a path, and a test.

    `server` and `world`: None for those of each file. `jobs`: None for the default of
    `jobs_in`.
    """

    client: str | None
    server: str | None
    world: str | None
    times: int
    jobs: int | None
    record: CampaignRecord
    progress: Progress
    test: str | None = None
    """The user's own test that may run; a file alone runs none."""

    def replay(self, failures: Sequence[Failure]) -> list[Replayed]:
        """Run each schedule `times` times; those of one client together.

        Raises:
            ClientUnavailable: there is no such client, or server.
            UsageError: a file asks for a path or a test that is not named.
            WorldBroken: a trial left its world.
        """
        if any(failure.schedule.test is not None for failure in failures):
            return [self._of_test(failure) for failure in failures]
        clients: dict[tuple[str, str, str], list[int]] = defaultdict(list)
        for number, failure in enumerate(failures):
            clients[self._client_of(failure)].append(number)
        replayed: dict[int, Replayed] = {}
        for (argument, server, world), numbers in clients.items():
            client = find_client(argument, self.progress.step, server=server, world=world)
            several = self._on(client, [failures[number] for number in numbers])
            replayed |= zip(numbers, several, strict=True)
        return [replayed[number] for number in range(len(failures))]

    def _of_test(self, failure: Failure) -> Replayed:
        if failure.schedule.test is None:
            raise UsageError("failures of tests and others are replayed one by one")
        if (self.server, self.world) != (None, None):
            raise UsageError("a test brings its own server: leave out --server and --world")
        client = find_named_test(failure, self.test, self.client, self.progress.step)
        (replayed,) = self._on(client, [failure])
        return replayed

    def _client_of(self, failure: Failure) -> tuple[str, str, str]:
        if self.client is not None:
            # The server's release in the file goes with the file's client; another client gets it
            # only if the file names it.
            argument, server = self.client, asked_of(failure.combination)
        else:
            argument, server = permitted(failure)
        return argument, self.server or server, self.world or failure.world

    def _on(self, client: ClientUnderTest, failures: Sequence[Failure]) -> Iterator[Replayed]:
        schedules = [failure.schedule for failure in failures for _ in range(self.times)]
        jobs = min(jobs_in(client.world, self.jobs), len(schedules))
        with (
            self.progress.bar(f"{client.resolved_version:>10} replay", len(schedules)) as bar,
            client.workers(jobs) as workers,
        ):
            workers.wait_ready()
            write_down = self._written(client, workers, schedules)
            bar.begin()

            def ended(result: TrialResult) -> None:
                write_down(result)
                bar.advance(passed=result.passed)

            wholes = workers.run_wholes(schedules, ended)
            afters = [
                whole_failure(client, workers, schedule, result, whole)
                for schedule, (result, whole) in zip(schedules, wholes, strict=True)
            ]
        for failure, its in zip(failures, batched(afters, self.times), strict=True):
            yield Replayed(failure, client, its)

    def _written(
        self, client: ClientUnderTest, workers: Workers, schedules: Sequence[Schedule]
    ) -> Callable[[TrialResult], None]:
        """Records each trial in the series of its scenario."""
        of_scenario: dict[str, list[Schedule]] = defaultdict(list)
        places: list[int] = []
        for schedule in schedules:
            places.append(len(of_scenario[schedule.scenario]))
            of_scenario[schedule.scenario].append(schedule)
        write = {
            scenario: self.record.series(
                client.series(workers.server_version, scenario, drawn=False)
            ).batch(its)
            for scenario, its in of_scenario.items()
        }

        def ended(result: TrialResult) -> None:
            scenario = schedules[result.index].scenario
            write[scenario](replace(result, index=places[result.index]))

        return ended
