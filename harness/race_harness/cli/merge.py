"""`race merge`: several records in one, as of the shards of a soak."""

from pathlib import Path
from typing import Annotated

import typer

from race_harness.cli.console import output
from race_harness.store.merge import merge
from race_harness.store.store import Store


def merge_records(
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="Where to; what it holds already stays.")
    ],
    records: Annotated[
        list[Path], typer.Argument(metavar="IN...", help="Records, which stay as they are.")
    ],
) -> None:
    """Put records together, such as those of shards: their union, in which nothing counts twice.

    Of a record that contradicts what is there, nothing is taken, and those after it are left out.
    """
    with Store(out) as store:
        for path in records:
            merged = merge(store, path)
            output.print(
                f"{path}: {merged.new} new of {merged.trials} trials",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
