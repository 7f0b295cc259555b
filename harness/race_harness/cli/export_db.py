"""`race export-db`: the record for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from race_harness.campaign.campaign import keep
from race_harness.cli.console import output
from race_harness.model.errors import UsageError
from race_harness.store.export import export
from race_harness.store.store import Store, default_path


def export_db(
    record: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The record. [default: RACE_RECORD, or a file in the user's data]",
        ),
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a Parquet file for each table.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a CSV file for each table.")
    ] = None,
    failures: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the failure files out again.")
    ] = None,
) -> None:
    """Export the record of all trials: its tables, or the failures that it holds."""
    if parquet is None and csv is None and failures is None:
        raise UsageError("nothing to export to: name a folder with --parquet, --csv or --failures")
    written: list[Path] = []
    with Store(record or default_path(), must_exist=True) as store:
        for folder, ending in ((csv, "csv"), (parquet, "parquet")):
            if folder is not None:
                written += export(store, folder, ending)
        if failures is not None:
            kept = (keep(failure, failures) for failure in store.failures())
            # One that several campaigns met is one file.
            written += dict.fromkeys(kept)
    for path in written:
        output.print(path, highlight=False, markup=False, soft_wrap=True)
