"""`--github`: annotations for GitHub's runner on stderr, and a summary for its job."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from race_harness.cli.console import errors
from race_harness.model.errors import UsageError
from race_harness.model.evidence import Evidence
from race_harness.model.plain_text import fenced
from race_harness.model.source_line import SourceLine
from race_harness.report.annotations import (
    Annotation,
    commands,
    environment_of,
    line_of,
    place_in,
)

GitHub = Annotated[
    bool,
    typer.Option(
        "--github",
        help="In a GitHub workflow: annotate failures, those of a test at the failing line, "
        "and add the table to the job summary.",
    ),
]


def annotate(annotations: Iterable[Annotation]) -> None:
    """Print them on stderr, which the runner reads like stdout."""
    for command in commands(annotations):
        errors.print(command, soft_wrap=True)


def summarise_job(markdown: str, stories: Sequence[str] = ()) -> None:
    """Add this to the summary of the job, if there is one.

    Raises:
        UsageError: it cannot be written.
    """
    _, file = environment_of(os.environ)
    if file is None:
        return
    told = [f"```text\n{_lines(story)}\n```\n" for story in stories]
    try:
        with file.open("a", encoding="utf-8", errors="replace") as summary:
            summary.write("\n".join([markdown.rstrip("\n") + "\n", *told]) + "\n")
    except OSError as error:
        raise UsageError(
            f"cannot write GITHUB_STEP_SUMMARY {file}: {error.strerror or error}"
        ) from None


def place_of_failure(
    test: str | None, evidence: Iterable[Evidence], lines: Sequence[SourceLine]
) -> tuple[str, int] | None:
    """Where GitHub shall show it: a file below the workspace, or below this folder, and a line."""
    workspace, _ = environment_of(os.environ)
    return place_in((workspace or Path()).resolve(), line_of(test, evidence, lines))


def _lines(story: str) -> str:
    return "\n".join(map(fenced, story.splitlines()))
