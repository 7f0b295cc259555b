"""`race report`, `race export-db` and `race merge`: what can be done with a record."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from race_harness.cli import console
from race_harness.cli.console import check_writable, write_text
from race_harness.model.errors import UsageError
from race_harness.model.extras import extra
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
            help="Write the page to this file; - is stdout. [default: report.html, unless "
            "something else is asked for]",
        ),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a summary for a pull request or a job.")
    ] = False,
    junit: Annotated[
        Path | None,
        typer.Option("--junit", metavar="FILE", help="Write JUnit XML to this file, for CI."),
    ] = None,
    campaign: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID|NAME",
            help="Only this campaign: its name, or the beginning of its id; can be repeated. "
            "[default: all]",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="FILE|CAMPAIGN",
            help="Say what got worse: compare the last campaign, or the one named by "
            "--campaign, with another record or another campaign of this one.",
        ),
    ] = None,
) -> None:
    """Make a page of the record: pass rates, times, failures and how to replay each.

    The page is one file that needs no network. The exit status is 0 whatever the page says.
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
    # Imported here: it takes seconds, for which no other command should wait.
    with extra("report", "race report"):
        from race_harness.report.gather import gather
    with Store(record or default_path(), must_exist=True) as store:
        view = gather(store, campaign or ())
        if baseline is not None:
            from race_harness.report.changes import changes

            named = campaign[0] if campaign else None
            view = replace(view, changes=changes(store, baseline, named))
        if output is not None:
            with extra("report", "race report"):
                from race_harness.report.html import html_page

                write_text(output, html_page(view))
        if junit is not None:
            from race_harness.report.junit import junit as junit_of

            write_text(junit, junit_of(view))
        if markdown:
            from race_harness.report.markdown import report_markdown

            print(report_markdown(view), end="")


def export_db(
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The record. [default: RACE_RECORD, or a file in the user's data]",
        ),
    ] = None,
    parquet: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write a Parquet file for each table to this folder."),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write a CSV file for each table to this folder."),
    ] = None,
    failures: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write the recorded failure files to this folder."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
) -> None:
    """Export the record of all trials: its tables, or its failure files."""
    if parquet is None and csv is None and failures is None:
        raise UsageError("nothing to export to: name a folder with --parquet, --csv or --failures")
    from race_harness.campaign.kept_files import export_failures
    from race_harness.store.export import export

    written: list[Path] = []
    with Store(record or default_path(), must_exist=True) as store:
        for folder, ending in ((csv, "csv"), (parquet, "parquet")):
            if folder is not None:
                written += export(store, folder, ending, force=force)
        if failures is not None:
            written += export_failures(store.failures, failures, force=force)
    for path in written:
        console.output.print(path, highlight=False, markup=False, soft_wrap=True)


def merge_records(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="The record to merge into. What it holds stays.")
    ],
    records: Annotated[
        list[Path],
        typer.Argument(metavar="IN...", help="The records to merge. They are not changed."),
    ],
) -> None:
    """Merge records, such as those of shards, into their union, in which nothing counts twice.

    The merge stops at a record that contradicts what is there, and takes nothing of it. If OUT is
    new, a damaged record is merged as far as it can be read, and the exit status is 2.
    """
    from race_harness.store.merge import merge

    left = False
    with Store(out) as store:
        for path in records:
            merged = merge(store, path)
            for line in merged.left:
                left = True
                console.errors.print(
                    f"left behind: {line}", highlight=False, markup=False, soft_wrap=True
                )
            console.output.print(
                f"{path}: {merged.new} new of {merged.trials} trials",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
    if left:
        raise typer.Exit(UsageError.exit_code)
