"""For tests in other repositories: one schedule against the client that is installed.

`race export` writes such tests.
"""

from typing import Any

from race_harness.campaign.campaign import examine, keep
from race_harness.campaign.resolve import INSTALLED, find_client
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import passes
from race_harness.story.timeline import short_story


def assert_schedule_passes(
    schedule: dict[str, Any],
    client: str = INSTALLED,
    *,
    server: str = "fake",
    world: str = "sim",
) -> None:
    """Run a schedule once, in its JSON form, and fail unless the client does all that it should.

    `client`, `server` and `world` are as on the command line: `installed`, a release, a PATH, a
    PATH@REVISION; `fake` or `real`; `sim` or `real`. The trial of a client that fails is kept
    below `.race/failures`, to be shown and replayed.

    Raises:
        AssertionError: the client fails, or the schedule breaks it before `run()` is reached.
        UsageError: this is no schedule.
        ClientUnavailable: there is no such client.
        WorldBroken: the trial left the simulation.
    """
    __tracebackhide__ = True
    checked = Schedule.from_dict(schedule)
    found = find_client(client, lambda _line: None, server=server, world=world)
    with found.workers() as workers:
        workers.wait_ready()
        failure = examine(found, workers, checked)
    if failure.void is not None:
        raise AssertionError("; ".join(failure.judgement.notes))
    if passes(failure.judgement.verdicts):
        return
    raise AssertionError(short_story(failure, keep(failure)))
