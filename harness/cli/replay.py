"""`race replay`: exactly one schedule again, from a failure file."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from harness import __version__
from harness.campaign.campaign import examine
from harness.campaign.client import ClientUnderTest, find_client
from harness.cli.console import campaign_progress, output
from harness.failure import Failure
from harness.story.timeline import timeline


def replay(
    file: Annotated[Path, typer.Argument(metavar="FAILURE.json", help="A failure file.")],
    client: Annotated[
        str | None, typer.Option(help="Another client than the one in the file.")
    ] = None,
    times: Annotated[int, typer.Option(min=1, help="How often.")] = 1,
) -> None:
    """Run a failing schedule again, say whether it does the same, and show its timeline.

    Exit status 0 when it was reproduced (every time), 1 when not, 2 for an unreadable file.
    """
    before = Failure.read(file)
    # `latest` may have moved on since.
    recorded = before.resolved_version if before.client == "latest" else before.client
    with campaign_progress() as progress:
        under_test = find_client(client or recorded, progress.step)
        with progress.bar(f"{under_test.resolved_version} replay", times) as bar:
            afters = _examine(under_test, before, times, bar.begin)
    output.print(timeline(afters[-1], file))
    same_verdict = sum(after.judgement.verdicts == before.judgement.verdicts for after in afters)
    same_digest = sum(after.digest == before.digest for after in afters)
    output.print(
        f"verdict: {', '.join(afters[-1].judgement.verdicts)}; the file's "
        f"({', '.join(before.judgement.verdicts)}) in {same_verdict} of {times}",
        highlight=False,
    )
    output.print(f"trace digest: the file's in {same_digest} of {times}", highlight=False)
    same_client = under_test.resolved_version == before.resolved_version
    if not same_client:
        output.print(
            f"the file is of {before.resolved_version}, this is {under_test.resolved_version}: "
            "only the verdict can be the same",
            highlight=False,
        )
    elif before.harness_version != __version__:
        output.print(
            f"the file was written by race-harness {before.harness_version}, this is "
            f"{__version__}: only the verdict can be expected to be the same",
            highlight=False,
        )
    comparable = same_client and before.harness_version == __version__
    reproduced = same_verdict == times and (same_digest == times or not comparable)
    output.print("reproduced" if reproduced else "NOT reproduced", style="bold", highlight=False)
    if not reproduced:
        raise typer.Exit(1)


def _examine(
    client: ClientUnderTest, failure: Failure, times: int, on_ready: Callable[[], None]
) -> list[Failure]:
    with client.workers() as workers:
        workers.wait_ready()
        on_ready()
        return [examine(client, workers, failure.schedule) for _ in range(times)]
