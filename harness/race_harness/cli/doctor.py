"""`race doctor`: what this machine has, what it lacks, and what to do."""

from typing import Final

import typer
from rich.text import Text

from race_harness.cli.console import JsonFile, check_writable, output, write_json
from race_harness.doctor.checks import Diagnosis, State, diagnoses, is_well

_STYLES: Final[dict[State, str]] = {"ok": "green", "note": "yellow", "missing": "bold red"}


def doctor(json_file: JsonFile = None) -> None:
    """Check the interpreter, uv, the package index, the cache, the record and whatever else trials
    use; say what is missing and what to do.

    Exit status 0 if nothing that is needed is missing, else 1.
    """
    # Imported here: it takes a second, for which no other command should wait.
    from race_harness.doctor.probing import look

    check_writable(json_file)
    found = diagnoses(look())
    well = is_well(found)
    write_json(json_file, {"schema": 1, "well": well, "found": [one.to_dict() for one in found]})
    if str(json_file) != "-":
        width = max(len(one.name) for one in found)
        for one in found:
            # If it were wrapped, a path in it could not be pasted.
            output.print(_line(one, width), soft_wrap=True)
    if not well:
        raise typer.Exit(1)


def _line(one: Diagnosis, width: int) -> Text:
    todo = "" if one.todo is None else f". To do: {one.todo}"
    return Text.assemble(
        (f"{one.state:<8}", _STYLES[one.state]), f"{one.name:<{width}}  {one.says}{todo}"
    )
