"""`race show`: a failure file as a timeline and in words, as a diagram, a page or a trace."""

import json
from pathlib import Path
from typing import Annotated

import typer

from harness.campaign.campaign import examine
from harness.campaign.client import find_client
from harness.campaign.neighbour import Neighbour, nearest_passing
from harness.campaign.pool import Workers
from harness.cli.console import campaign_progress, check_writable, errors, output
from harness.errors import UsageError
from harness.failure import Failure
from harness.schedule import Schedule
from harness.story.fields import value_text
from harness.story.mermaid import sequence_diagram
from harness.story.page import html_page
from harness.story.perfetto import trace_events
from harness.story.timeline import timeline
from harness.story.words import in_words

NONE_PASSES = "No single field that is set to its benign value makes it pass."


def show(
    file: Annotated[Path, typer.Argument(metavar="FAILURE.json", help="A failure file.")],
    neighbour: Annotated[
        bool,
        typer.Option(
            "--neighbour", help="Run the client to find the smallest change that makes it pass."
        ),
    ] = False,
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Print a sequence diagram for a comment on GitHub.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page that needs no network.")
    ] = None,
    perfetto: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a trace for ui.perfetto.dev.")
    ] = None,
) -> None:
    """Show a failure file. No client is run, unless for --neighbour."""
    failure = Failure.read(file)
    check_writable(html)
    check_writable(perfetto)
    nearest = describe(find_neighbour(failure)) if neighbour else ""
    if mermaid:
        print(sequence_diagram(failure), end="")
    if html is not None:
        write_text(html, html_page(failure, file, nearest))
    if perfetto is not None:
        write_text(perfetto, json.dumps(trace_events(failure), indent=1) + "\n")
    if not mermaid and html is None and perfetto is None:
        output.print(timeline(failure, file))
        output.print("in words:", style="bold")
        output.print(in_words(failure), markup=False, highlight=False)
    if nearest:
        output.print(nearest, markup=False, highlight=False)


def find_neighbour(failure: Failure) -> Neighbour | None:
    """Search with the client of the failure.

    Raises:
        AlreadyPasses: the client passes the schedule now.
        ClientUnavailable, WorldBroken: as with any campaign.
    """
    # `latest` may have moved on since.
    recorded = failure.resolved_version if failure.client == "latest" else failure.client
    with campaign_progress() as progress:
        client = find_client(recorded, progress.step)
        with (
            progress.bar(f"{client.resolved_version} neighbours", 0) as bar,
            Workers(client.python, client.adapter, 1) as workers,
        ):
            workers.wait_ready()
            bar.begin()

            def passes(schedule: Schedule) -> bool:
                passed = examine(client, workers, schedule).judgement.verdicts == ("ok",)
                bar.advance(passed=passed)
                return passed

            return nearest_passing(failure.schedule, passes)


def describe(neighbour: Neighbour | None) -> str:
    """What would have to be otherwise, in a sentence or two."""
    if neighbour is None:
        return NONE_PASSES
    path, passing = neighbour.path, value_text(neighbour.passing)
    here = value_text(neighbour.failing)
    change = (
        f"without {path} ({here})"
        if neighbour.passing is None
        else f"when {path} is {passing} instead of {here}"
    )
    border = (
        f" {value_text(neighbour.still_failing)} still fails."
        if neighbour.still_failing != neighbour.failing
        else ""
    )
    return f"It passes {change}, all else the same.{border} ({neighbour.tries} trials)"


def write_text(path: Path, text: str) -> None:
    """Write a file, or stdout for `-`.

    Raises:
        UsageError: it cannot be written.
    """
    if str(path) == "-":
        print(text, end="")
        return
    try:
        # The failure file's name, which is told, need not be valid text.
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from None
    errors.print(f"wrote {path}", style="dim", markup=False, highlight=False, soft_wrap=True)
