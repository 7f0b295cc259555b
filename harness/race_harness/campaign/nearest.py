"""The smallest change of a failing schedule that passes, found by running the client."""

from race_harness.campaign.campaign import examine
from race_harness.campaign.named_test import find_named_test
from race_harness.campaign.progress import Progress, ProgressBar
from race_harness.campaign.resolve import ClientUnderTest, find_client, permitted, recorded
from race_harness.model.failure import Failure
from race_harness.model.permission import may_run_client
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import passes as has_passed
from race_harness.search.neighbour import nearest_passing
from race_harness.store.series import SeriesRecord
from race_harness.store.store import CampaignRecord
from race_harness.story.passing import describe
from race_harness.workers.pool import Workers


def find_nearest(
    failure: Failure, record: CampaignRecord, progress: Progress, test: str | None = None
) -> str:
    """Search with the client of the failure, and say what was found. `test`: the user's own test
    that was named, and so may run.

    Raises:
        UsageError: the client is a path, or the test was not named: a file alone runs neither.
        AlreadyPasses: the client passes the schedule now.
        ClientUnavailable, WorldBroken: as with any campaign.
    """
    if failure.schedule.test is not None or test is not None:
        client = find_named_test(failure, test, None, progress.step)
    else:
        may_run_client(recorded(failure)[0], "race show runs releases and the reference alone")
        argument, server = permitted(failure)
        client = find_client(argument, progress.step, server=server, world=failure.world)
    with (
        progress.bar(f"{client.resolved_version} neighbours", 0) as bar,
        client.workers() as workers,
    ):
        workers.wait_ready()
        series = client.series(workers.server_version, failure.schedule.scenario, drawn=False)
        bar.begin()
        return nearest_in_words(client, workers, failure.schedule, record.series(series), bar)


def nearest_in_words(
    client: ClientUnderTest,
    workers: Workers,
    schedule: Schedule,
    series: SeriesRecord | None = None,
    bar: ProgressBar | None = None,
    tries: int = 60,
) -> str:
    """The nearest passing neighbour, found on ready workers with at most `tries` trials, which are
    recorded."""

    def passes(changed: Schedule) -> bool:
        passed = has_passed(examine(client, workers, changed, series).judgement.verdicts)
        if bar is not None:
            bar.advance(passed=passed)
        return passed

    return describe(nearest_passing(schedule, passes, tries))
