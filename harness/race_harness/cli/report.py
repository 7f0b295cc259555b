"""`race report`: what a record holds, as a page, as Markdown, as JUnit."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from race_harness.cli.console import check_writable
from race_harness.cli.show import write_text
from race_harness.model.errors import UsageError
from race_harness.store.store import Store, default_path

PAGE = Path("report.html")


def report(
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The record. [default: RACE_RECORD, or the file in the user's data]",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Write the page here; - is stdout. [default: report.html, if nothing else is "
            "asked for]",
        ),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a summary for a pull request or a job.")
    ] = False,
    junit: Annotated[
        Path | None,
        typer.Option("--junit", metavar="FILE", help="Write JUnit's XML here, for CI."),
    ] = None,
    campaign: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID|NAME",
            help="Only this campaign: its name, or how its id begins; may be given again. "
            "[default: all]",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|CAMPAIGN",
            help="Tell what is worse than it was: in the last campaign, or in the one that is "
            "named, against another record or a campaign of this one.",
        ),
    ] = None,
) -> None:
    """Make a page of what was recorded: pass rates, times, failures and how to replay each.

    It is one file that needs no network. The exit status does not tell what it says.
    """
    if output is None and not markdown and junit is None:
        output = PAGE
    to_stdout = [markdown, str(output) == "-", str(junit) == "-"]
    if sum(to_stdout) > 1:
        raise UsageError("two forms would go to stdout: give --output or --junit a file")
    if baseline is not None and len(campaign or ()) > 1:
        raise UsageError("--baseline compares one campaign: name one with --campaign, or none")
    check_writable(output)
    check_writable(junit)
    # Imported here because it takes seconds, which other commands need not wait for.
    from race_harness.report.gather import gather

    with Store(record or default_path(), must_exist=True) as store:
        view = gather(store, campaign or ())
        if baseline is not None:
            from race_harness.report.changes import changes

            named = campaign[0] if campaign else None
            view = replace(view, changes=changes(store, baseline, named))
    if output is not None:
        from race_harness.report.html import html_page

        write_text(output, html_page(view))
    if junit is not None:
        from race_harness.report.junit import junit as junit_of

        write_text(junit, junit_of(view))
    if markdown:
        from race_harness.report.markdown import markdown as markdown_of

        print(markdown_of(view), end="")
