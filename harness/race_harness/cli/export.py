"""`race export`: a failure as a test for another repository."""

from pathlib import Path
from typing import Annotated

import typer

from race_harness.cli.show import write_text
from race_harness.model.errors import UsageError
from race_harness.model.failure import Failure
from race_harness.story.pytest_file import pytest_file


def export(
    file: Annotated[Path, typer.Argument(metavar="FAILURE.json", help="A failure file.")],
    out: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="Where to; - is stdout.")
    ] = Path("test_race.py"),
) -> None:
    """Write a pytest file that fails where the client loses this race and passes where not.

    It needs race-harness and openhands-sdk, and nothing else of the repository that it is put in.
    """
    text = pytest_file(Failure.read(file), file)
    if out.exists():
        # Somebody may have written tests there.
        raise UsageError(f"{out} is there already: remove it, or name another file with -o")
    write_text(out, text)
