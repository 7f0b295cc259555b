"""Calls the commands: an error becomes a line on stderr and an exit status."""

import sys
from typing import Annotated, Any

import typer

from race_harness.cli.commands import COMMANDS, LazyGroup, new_app
from race_harness.model.errors import HarnessError, UsageError, in_one_line
from race_harness.model.version import __version__

app = new_app(name="race", cls=LazyGroup, no_args_is_help=True)
for name, command in COMMANDS.items():
    app.command(name, short_help=command.summary)(lambda: None)


def _print_version(asked: bool) -> None:
    if asked:
        print(f"race-harness {__version__}")
        raise typer.Exit


@app.callback()
def race(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Reproduce races between REST and WebSocket, deterministically."""


_BadUsage: type[Exception] = typer.BadParameter.__bases__[0]
"""The class is Typer's or Click's, depending on the release of Typer, which does not export it."""


def run() -> Any:
    """Run the command of this process's arguments; return its exit status."""
    try:
        return app(prog_name="race", standalone_mode=False)
    except HarnessError as error:
        if "--github" in sys.argv:
            _annotate(in_one_line(error))
        _say(str(error))
        if "\n" in str(error).strip():
            # Nobody looks for the beginning above a long stack, so repeat it.
            _say(in_one_line(error))
        return error.exit_code
    except _BadUsage as error:
        _say_usage(error)
        return _bad_usage_status()
    except typer.Abort:
        return 130  # Ctrl-C, in older releases of Typer


def _annotate(error: str) -> None:
    """Tell GitHub, too, why there is no result."""
    from race_harness.cli.github import annotate
    from race_harness.report.annotations import Annotation

    annotate([Annotation("error", "race", error)])


def _bad_usage_status() -> int:
    if "bisect-run" in sys.argv[1:2]:
        # That command works for git, to which the usual status means something else.
        from race_harness.cli.bisect import ABORT

        return ABORT
    return UsageError.exit_code


def _say_usage(error: Any) -> None:
    message = error.format_message()
    if "\n" in message:
        # No arguments at all: the message is the help.
        from race_harness.cli.console import errors

        errors.print(message, markup=False, highlight=False, soft_wrap=True)
    else:
        command = error.ctx.command_path if error.ctx is not None else "race"
        _say(f"{message.rstrip('.')}. See: {command} --help")


def _say(message: str) -> None:
    from race_harness.cli.console import errors

    errors.print(f"race: {message}", style="red", markup=False, highlight=False, soft_wrap=True)
