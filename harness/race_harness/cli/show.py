"""`race show`: a failure file as a timeline and in words, as a diagram, a page or a trace."""

import json
from pathlib import Path
from typing import Annotated

import typer

from race_harness.campaign.nearest import find_nearest
from race_harness.cli.console import (
    campaign_progress,
    check_writable,
    output,
    shell_word,
    write_text,
)
from race_harness.cli.recorded import RecordFile, recorded
from race_harness.model.errors import UsageError
from race_harness.model.failure import Failure, read_schedule
from race_harness.model.plain_text import in_one_line, markdown
from race_harness.model.schedule import Schedule
from race_harness.story.fields import unrun
from race_harness.story.mermaid import sequence_diagram
from race_harness.story.page import html_page
from race_harness.story.perfetto import trace_events
from race_harness.story.timeline import timeline
from race_harness.story.words import in_words


def show(
    file: Annotated[Path, typer.Argument(metavar="FAILURE.json", help="A failure file.")],
    neighbour: Annotated[
        bool | None,
        typer.Option(
            help="Run the client, a release or the reference, to find the smallest change "
            "that makes it pass, one trial after another; or leave out what the file says of it. "
            "[default: show what the file says]",
        ),
    ] = None,
    mermaid: Annotated[
        bool, typer.Option("--mermaid", help="Print a sequence diagram for a comment on GitHub.")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page that needs no network.")
    ] = None,
    perfetto: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a trace for ui.perfetto.dev.")
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(
            metavar="PATH::NAME",
            help="Your own test that the file is about, which --neighbour runs.",
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Show everything in the timeline and the page; fold nothing."),
    ] = False,
    record: RecordFile = None,
) -> None:
    """Show a failure file: what happened, and which single change would make it pass. For a plain
    schedule, show what it sets.

    Nothing is run except with --neighbour, which runs only releases and the reference.
    """
    failure = read_schedule(file, of_tests=True)
    if isinstance(failure, Schedule):
        if mermaid or html is not None or perfetto is not None or neighbour:
            raise UsageError(f"{file} holds a schedule that has not been run: {_run(file)} first")
        output.print(unrun(failure), markup=False, highlight=False, soft_wrap=True)
        output.print(f"run: {_run(file)}", markup=False, highlight=False, soft_wrap=True)
        return
    tells = not mermaid and html is None and perfetto is None
    if everything and not tells and html is None:
        raise UsageError(
            "--all is for the timeline and the page: a diagram is short, and a trace has all"
        )
    check_writable(html)
    check_writable(perfetto)
    nearest = failure.neighbour or "" if neighbour is None else ""
    if neighbour:
        nearest = _nearest(failure, record, test)
    if mermaid:
        print(sequence_diagram(failure), end="")
    if html is not None:
        write_text(html, html_page(failure, file, nearest, everything=everything))
    if perfetto is not None:
        write_text(perfetto, json.dumps(trace_events(failure), indent=1) + "\n")
    if tells:
        output.print(timeline(failure, file, everything=everything), crop=False)
        output.print("in words:", style="bold")
        output.print(in_words(failure), markup=False, highlight=False)
    # A page or a trace must be alone on stdout.
    if nearest and "-" not in map(str, (html, perfetto)):
        # A diagram goes into a comment, and so does this sentence.
        output.print(markdown(nearest) if mermaid else in_one_line(nearest))


def _run(file: Path) -> str:
    return f"race run CLIENT --schedule {shell_word(str(file))}"


def _nearest(failure: Failure, record: Path | None, test: str | None) -> str:
    """The nearest passing neighbour, found by running the client, or the named test."""
    plan = {"clients": [failure.client], "scenario": failure.schedule.scenario}
    with recorded(record, "show", plan) as campaign, campaign_progress() as progress:
        return find_nearest(failure, campaign, progress, test)
