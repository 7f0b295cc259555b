"""`race show`: a failure file as a timeline and in words, as a diagram, a page or a trace."""

import json
from pathlib import Path
from typing import Annotated

import typer

from race_harness.campaign.campaign import examine
from race_harness.campaign.under_test import ClientUnderTest, find_client, recorded
from race_harness.cli.console import Bar, campaign_progress, check_writable, errors, output
from race_harness.cli.recording import RecordFile
from race_harness.cli.recording import recorded as on_record
from race_harness.model.errors import HarnessError, UsageError
from race_harness.model.failure import Failure
from race_harness.model.schedule import Schedule
from race_harness.search.neighbour import nearest_passing
from race_harness.store.series import SeriesRecord
from race_harness.story.mermaid import sequence_diagram
from race_harness.story.page import html_page
from race_harness.story.passing import describe
from race_harness.story.perfetto import trace_events
from race_harness.story.timeline import timeline
from race_harness.story.words import in_words
from race_harness.workers.pool import Workers


def show(
    file: Annotated[Path, typer.Argument(metavar="FAILURE.json", help="A failure file.")],
    neighbour: Annotated[
        bool | None,
        typer.Option(
            help="Run the client to find the smallest change that makes it pass. "
            "[default: where the file does not tell it]",
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
    record: RecordFile = None,
) -> None:
    """Show a failure file: what happened, and which single change would make it pass.

    The client is run only to find that change, where the file does not tell it.
    """
    failure = Failure.read(file)
    check_writable(html)
    check_writable(perfetto)
    nearest = "" if neighbour is False else _nearest(failure, record, asked=bool(neighbour))
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


def _nearest(failure: Failure, record: Path | None, *, asked: bool) -> str:
    """What the file tells, or what is found; without being asked, failing to find is no error."""
    if not asked and failure.neighbour is not None:
        return failure.neighbour
    if not asked and failure.combination.in_real_time:
        return ""  # it would take minutes
    try:
        return find_neighbour(failure, record)
    except HarnessError as error:
        if asked:
            raise
        return f"Which change would make it pass was not found: {error}"


def find_neighbour(failure: Failure, record: Path | None) -> str:
    """Search with the client of the failure, and say what was found.

    `record`: where its trials are recorded.

    Raises:
        UsageError: they cannot be recorded there.
        AlreadyPasses: the client passes the schedule now.
        ClientUnavailable, WorldBroken: as with any campaign.
    """
    argument, server = recorded(failure)
    plan = {"clients": [argument], "scenario": failure.schedule.scenario}
    with on_record(record, "show", plan) as campaign, campaign_progress() as progress:
        client = find_client(argument, progress.step, server=server, world=failure.world)
        with (
            progress.bar(f"{client.resolved_version} neighbours", 0) as bar,
            client.workers() as workers,
        ):
            workers.wait_ready()
            series = client.series(workers.server_version, failure.schedule.scenario, drawn=False)
            bar.begin()
            return nearest_in_words(
                client, workers, failure.schedule, campaign.series(series), bar
            )


def nearest_in_words(
    client: ClientUnderTest,
    workers: Workers,
    schedule: Schedule,
    series: SeriesRecord,
    bar: Bar | None = None,
) -> str:
    """The nearest passing neighbour, found on workers that are ready, its trials recorded."""

    def passes(changed: Schedule) -> bool:
        passed = examine(client, workers, changed, series).judgement.verdicts == ("ok",)
        if bar is not None:
            bar.advance(passed=passed)
        return passed

    return describe(nearest_passing(schedule, passes))


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
