"""A failure's schedule once more, and whether it does the same."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType

from race_harness.campaign.campaign import examine
from race_harness.campaign.progress import Progress
from race_harness.campaign.resolve import ClientUnderTest, find_client, recorded
from race_harness.model.failure import Failure
from race_harness.model.version import __version__
from race_harness.store.store import CampaignRecord
from race_harness.workers.pool import Workers


@dataclass(frozen=True)
class Replayed:
    """What came of a failure's schedule."""

    before: Failure
    client: ClientUnderTest
    afters: Sequence[Failure]

    @property
    def same_verdict(self) -> int:
        """In how many of them the verdicts are those of before."""
        verdicts = self.before.judgement.verdicts
        return sum(after.judgement.verdicts == verdicts for after in self.afters)

    @property
    def same_digest(self) -> int:
        """In how many of them the digest is that of before."""
        return sum(after.digest == self.before.digest for after in self.afters)

    @property
    def only_the_verdict(self) -> str | None:
        """Why only the verdict can be the same; None: the digest has to be, too."""
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
        """Whether every time all was the same that can be."""
        times = len(self.afters)
        digests = self.same_digest == times or self.only_the_verdict is not None
        return self.same_verdict == times and digests


class Replayer:
    """Runs schedules of failures again, each with the client of its file unless another is named.

    Workers are kept for the next failure of the same client. Leave it to close them.

    `server` and `world`: None for those of each file.
    """

    def __init__(
        self,
        *,
        client: str | None,
        server: str | None,
        world: str | None,
        times: int,
        record: CampaignRecord,
        progress: Progress,
    ) -> None:
        self._client = client
        self._server = server
        self._world = world
        self._times = times
        self._record = record
        self._progress = progress
        self._started: dict[tuple[str, str, str], tuple[ClientUnderTest, Workers]] = {}
        self._stack = ExitStack()

    def __enter__(self) -> "Replayer":
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._stack.__exit__(exc_type, exc, tb)

    def replay(self, failure: Failure) -> Replayed:
        """Run the schedule so many times.

        Raises:
            ClientUnavailable: there is no such client, or server.
            WorldBroken: a trial left its world.
        """
        client, workers = self._workers(failure)
        schedule = failure.schedule
        series = self._record.series(
            client.series(workers.server_version, schedule.scenario, drawn=False)
        )
        afters = [examine(client, workers, schedule, series) for _ in range(self._times)]
        return Replayed(failure, client, afters)

    def _workers(self, failure: Failure) -> tuple[ClientUnderTest, Workers]:
        argument, server = recorded(failure)
        if self._client is not None:
            # Which release it was beside the client of the file says nothing about another.
            argument, server = self._client, server.partition(":")[0]
        key = argument, self._server or server, self._world or failure.world
        if key not in self._started:
            client = find_client(argument, self._progress.step, server=key[1], world=key[2])
            label = f"{client.resolved_version:>10} replay"
            bar = self._stack.enter_context(self._progress.bar(label, self._times))
            workers = self._stack.enter_context(client.workers())
            workers.wait_ready()
            bar.begin()
            self._started[key] = client, workers
        return self._started[key]
