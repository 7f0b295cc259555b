"""`race scenarios`: what there is to run."""

from rich.box import SIMPLE_HEAD
from rich.table import Table

from harness.cli.console import output


def list_scenarios() -> None:
    """List the scenarios and the releases known to fail them."""
    import scenarios

    table = Table("scenario", "hunts", "fails in", box=SIMPLE_HEAD)
    for name in scenarios.names():
        scenario = scenarios.load(name)
        table.add_row(name, scenario.summary, scenario.fails or "none")
    output.print(table)
