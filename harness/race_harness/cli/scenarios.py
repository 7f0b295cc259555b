"""`race scenarios`: what there is to run."""

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from race_harness.cli.console import output
from race_harness.model.scenario import Scenario


def list_scenarios(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table as Markdown.")
    ] = False,
) -> None:
    """List the scenarios and the releases known to fail them."""
    from race_harness.search import library

    every = [library.described(name) for name in library.names()]
    if markdown:
        print("\n".join(markdown_table(every)))
        return
    table = Table("scenario", "hunts", "fails in", box=SIMPLE_HEAD)
    for scenario in every:
        table.add_row(scenario.name, scenario.summary, scenario.fails or "none")
    output.print(table)


def markdown_table(scenarios: list[Scenario]) -> Iterator[str]:
    """The lines of the table."""
    yield "| scenario | hunts | fails in |"
    yield "|---|---|---|"
    for scenario in scenarios:
        fails = f"`{scenario.fails}`" if scenario.fails else "no release"
        yield f"| `{scenario.name}` | {scenario.summary} | {fails} |"
