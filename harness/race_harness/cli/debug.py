"""`race debug`: a failing test of your own, stopped in pdb at the instant at which it fails."""

from pathlib import Path
from typing import Annotated

import typer

from race_harness.campaign.named_test import find_named_test
from race_harness.cli.console import campaign_progress
from race_harness.model.errors import UsageError
from race_harness.model.failure import Failure
from race_harness.workers.foreground import debug_in_foreground
from race_harness.workers.stop_at import StopAt


def debug(
    file: Annotated[
        Path, typer.Argument(metavar="FAILURE.json", help="A failure file of a test.")
    ],
    test: Annotated[
        str | None,
        typer.Option(metavar="PATH::NAME", help="Your own test that the file is about."),
    ] = None,
    at: Annotated[
        str,
        typer.Option(
            metavar="MOMENT",
            help="Stop at this moment instead: a number of milliseconds in the story, "
            "FILE.py:LINE, or 'FUNCTION: TEXT', a line of a function. #N at the end "
            "means the Nth time.",
        ),
    ] = "",
    client: Annotated[
        str | None, typer.Option(help="Use this client instead of the one in the file.")
    ] = None,
) -> None:
    """Run a failing test again and stop in pdb where it fails: where the error is raised, where a
    thread dies, or where the test is known to hang.

    Exit status 0 if it stopped, 1 if the test does not fail as in the file or never reaches that
    moment.
    """
    failure = Failure.read(file)
    if failure.schedule.test is None:
        raise UsageError(
            f"{file} is a failure of a scenario, and race debug is for tests of your own: race "
            "replay runs it again"
        )
    if at:
        StopAt.parse(at)
    with campaign_progress() as progress:
        found = find_named_test(failure, test, client, progress.step)
    status = debug_in_foreground(found.python, found.adapter, file, at)
    if status:
        raise typer.Exit(status)
