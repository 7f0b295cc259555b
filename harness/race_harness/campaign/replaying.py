"""A failure's schedule once more, and whether it does the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from race_harness.campaign.campaign import examine
from race_harness.campaign.progress import Progress
from race_harness.campaign.resolve import ClientUnderTest, find_client, recorded
from race_harness.model.failure import Failure
from race_harness.model.version import __version__
from race_harness.store.store import CampaignRecord


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


def replay(
    failure: Failure,
    *,
    client: str | None,
    server: str | None,
    world: str | None,
    times: int,
    record: CampaignRecord,
    progress: Progress,
) -> Replayed:
    """Run the schedule so many times; None: with what is in the file.

    Raises:
        ClientUnavailable: there is no such client, or server.
        WorldBroken: a trial left its world.
    """
    itself, its_server = recorded(failure)
    if client is not None:
        # Which release it was beside the client of the file says nothing about another.
        its_server = its_server.partition(":")[0]
    under_test = find_client(
        client or itself,
        progress.step,
        server=server or its_server,
        world=world or failure.world,
    )
    with (
        progress.bar(f"{under_test.resolved_version:>10} replay", times) as bar,
        under_test.workers() as workers,
    ):
        workers.wait_ready()
        bar.begin()
        schedule = failure.schedule
        series = record.series(
            under_test.series(workers.server_version, schedule.scenario, drawn=False)
        )
        afters = [examine(under_test, workers, schedule, series) for _ in range(times)]
    return Replayed(failure, under_test, afters)
