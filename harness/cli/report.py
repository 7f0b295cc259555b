"""`race report`: what a record holds, as a page, as Markdown, as JUnit."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.console import check_writable
from harness.cli.show import write_text
from harness.errors import UsageError
from harness.store.store import Store, default_path

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
) -> None:
    """Make a page of what was recorded: pass rates, times, failures and how to replay each.

    It is one file that needs no network. The exit status does not tell what it says.
    """
    if output is None and not markdown and junit is None:
        output = PAGE
    to_stdout = [markdown, str(output) == "-", str(junit) == "-"]
    if sum(to_stdout) > 1:
        raise UsageError("two forms would go to stdout: give --output or --junit a file")
    check_writable(output)
    check_writable(junit)
    # Imported here because it takes seconds, which other commands need not wait for.
    from harness.report.gather import gather

    with Store(record or default_path(), must_exist=True) as store:
        view = gather(store, campaign or ())
    if output is not None:
        from harness.report.page import html_page

        write_text(output, html_page(view))
    if junit is not None:
        from harness.report.junit import junit as junit_of

        write_text(junit, junit_of(view))
    if markdown:
        from harness.report.markdown import markdown as markdown_of

        print(markdown_of(view), end="")
