"""The command line: one file a command."""

import sys

import typer

from harness.cli import compare, demo, replay, run, scenarios, serve
from harness.cli.console import errors
from harness.errors import HarnessError

app = typer.Typer(
    name="race",
    help="Reproduce races between REST and WebSocket, deterministically.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (demo.demo, compare.compare, run.run, replay.replay, serve.serve):
    app.command()(command)
app.command(name="scenarios")(scenarios.list_scenarios)


def main() -> None:
    """The entry point of `race`: a HarnessError is one line on stderr and its exit status."""
    try:
        app()
    except HarnessError as error:
        errors.print(f"race: {error}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(error.exit_code)
