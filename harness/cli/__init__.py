"""The command line: one file a command."""

import sys
from typing import Any

import typer

from harness.cli import (
    atlas,
    bisect,
    bisect_run,
    cache,
    compare,
    confirm,
    conform,
    demo,
    export,
    export_db,
    hunt,
    merge,
    replay,
    report,
    run,
    scenarios,
    serve,
    show,
    soak,
)
from harness.cli.console import errors
from harness.errors import HarnessError, UsageError

app = typer.Typer(
    name="race",
    help="Reproduce races between REST and WebSocket, deterministically.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    demo.demo,
    compare.compare,
    run.run,
    hunt.hunt,
    soak.soak,
    bisect.bisect,
    replay.replay,
    confirm.confirm,
    atlas.atlas,
    show.show,
    export.export,
    report.report,
    export_db.export_db,
    serve.serve,
    cache.cache,
):
    app.command()(command)
app.command(name="bisect-run")(bisect_run.bisect_run)
app.command(name="conform")(conform.conform_to)
app.command(name="merge")(merge.merge_records)
app.command(name="scenarios")(scenarios.list_scenarios)


_BadUsage: type[Exception] = typer.BadParameter.__bases__[0]
"""Of Typer or of Click, according to the release of Typer, which does not export it."""


def main() -> None:
    """The entry point of `race`: an error is one line on stderr and its exit status."""
    try:
        sys.exit(app(prog_name="race", standalone_mode=False))
    except HarnessError as error:
        _say(str(error))
        sys.exit(error.exit_code)
    except _BadUsage as error:
        _say_usage(error)
        # To git, for whom that command works, the usual status means something else.
        sys.exit(bisect_run.ABORT if "bisect-run" in sys.argv[1:2] else UsageError.exit_code)
    except typer.Abort:
        sys.exit(130)  # Ctrl-C, in older releases of Typer


def _say_usage(error: Any) -> None:
    message = error.format_message()
    if "\n" in message:
        # No arguments at all: the message is the help.
        errors.print(message, markup=False, highlight=False, soft_wrap=True)
    else:
        command = error.ctx.command_path if error.ctx is not None else "race"
        _say(f"{message} See: {command} --help")


def _say(message: str) -> None:
    errors.print(f"race: {message}", style="red", markup=False, highlight=False, soft_wrap=True)
