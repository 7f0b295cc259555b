"""`race replay`: exactly one schedule again, from a failure file."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from race_harness.campaign.campaign import examine
from race_harness.campaign.under_test import ClientUnderTest, find_client, recorded
from race_harness.cli.console import campaign_progress, output
from race_harness.cli.recording import RecordFile
from race_harness.cli.recording import recorded as on_record
from race_harness.model.failure import Failure
from race_harness.model.version import __version__
from race_harness.store.store import CampaignRecord
from race_harness.story.timeline import timeline


def replay(
    file: Annotated[Path, typer.Argument(metavar="FAILURE.json", help="A failure file.")],
    client: Annotated[
        str | None, typer.Option(help="Another client than the one in the file.")
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(metavar="fake|real", help="Another server than in the file."),
    ] = None,
    world: Annotated[
        str | None, typer.Option(metavar="sim|real", help="Another world than in the file.")
    ] = None,
    times: Annotated[int, typer.Option(min=1, help="How often.")] = 1,
    record: RecordFile = None,
) -> None:
    """Run a failing schedule again, say whether it does the same, and show its timeline.

    Elsewhere than in the file, and in real time, only the verdict can be the same.

    Exit status 0 when it was reproduced (every time), 1 when not, 2 for an unreadable file.
    """
    before = Failure.read(file)
    itself, its_server = recorded(before)
    if client is not None:
        # Which release it was beside the client of the file says nothing about another.
        its_server = its_server.partition(":")[0]
    plan = {"failure": str(file), "clients": [client or itself], "times": times}
    with on_record(record, "replay", plan) as campaign, campaign_progress() as progress:
        under_test = find_client(
            client or itself,
            progress.step,
            server=server or its_server,
            world=world or before.world,
        )
        with progress.bar(f"{under_test.resolved_version:>10} replay", times) as bar:
            afters = _examine(under_test, before, times, bar.begin, campaign)
    last = afters[-1]
    if last.judgement.headline == before.judgement.headline:
        last = replace(last, confirmed={**last.confirmed, **before.confirmed})
    output.print(timeline(last, file))
    same_verdict = sum(after.judgement.verdicts == before.judgement.verdicts for after in afters)
    same_digest = sum(after.digest == before.digest for after in afters)
    output.print(
        f"verdict: {', '.join(afters[-1].judgement.verdicts)}; the file's "
        f"({', '.join(before.judgement.verdicts)}) in {same_verdict} of {times}",
        highlight=False,
    )
    output.print(f"trace digest: the file's in {same_digest} of {times}", highlight=False)
    same_place = under_test.combination == before.combination
    same_client = under_test.resolved_version == before.resolved_version
    if not same_client:
        output.print(
            f"the file is of {before.resolved_version}, this is {under_test.resolved_version}: "
            "only the verdict can be the same",
            highlight=False,
        )
    elif not same_place:
        output.print(
            f"the file is of {before.combination}, this is {under_test.combination}: "
            "only the verdict can be the same",
            highlight=False,
        )
    elif under_test.combination.in_real_time:
        output.print("in real time only the verdict can be the same", highlight=False)
    elif before.harness_version != __version__:
        output.print(
            f"the file was written by race-harness {before.harness_version}, this is "
            f"{__version__}: only the verdict can be expected to be the same",
            highlight=False,
        )
    comparable = (
        same_client
        and same_place
        and not under_test.combination.in_real_time
        and before.harness_version == __version__
    )
    reproduced = same_verdict == times and (same_digest == times or not comparable)
    output.print("reproduced" if reproduced else "NOT reproduced", style="bold", highlight=False)
    if not reproduced:
        raise typer.Exit(1)


def _examine(
    client: ClientUnderTest,
    failure: Failure,
    times: int,
    on_ready: Callable[[], None],
    record: CampaignRecord,
) -> list[Failure]:
    with client.workers() as workers:
        workers.wait_ready()
        on_ready()
        schedule = failure.schedule
        series = record.series(
            client.series(workers.server_version, schedule.scenario, drawn=False)
        )
        return [examine(client, workers, schedule, series) for _ in range(times)]
