"""What GitHub shows beside a line of a pull request, in the form that its runner obeys.

The form is that of workflow commands: https://docs.github.com/actions/reference/workflow-commands.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from race_harness.model.evidence import Evidence
from race_harness.model.failure import Failure
from race_harness.model.plain_text import in_one_line, visible
from race_harness.model.source_line import SourceLine
from race_harness.story.timeline import short_story

Level = Literal["error", "warning"]

MOST: Final = 10
"""Annotations of each level in one step; GitHub drops any more."""

_LONGEST: Final = 4_000
"""Characters of a message; GitHub cuts longer ones at about 4,096 bytes."""

_IN_MESSAGE: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A"})
_IN_PROPERTY: Final = str.maketrans({"%": "%25", "\r": "%0D", "\n": "%0A", ":": "%3A", ",": "%2C"})


@dataclass(frozen=True)
class Annotation:
    level: Level
    """An error if the exit status reports it, too; else a warning."""
    title: str
    message: str
    """It may have several lines."""
    place: tuple[str, int] | None = None
    """A file below the workspace, and a line of it; None: it is about no file."""

    def command(self) -> str:
        """One line for the runner, whatever the texts hold."""
        properties = {} if self.place is None else {"file": self.place[0], "line": self.place[1]}
        told = ",".join(
            f"{name}={visible(str(value)).translate(_IN_PROPERTY)}"
            for name, value in {**properties, "title": in_one_line(self.title)}.items()
        )
        message = visible(self.message[:_LONGEST]).translate(_IN_MESSAGE)
        return f"::{self.level} {told}::{message}"


def of_failure(
    failure: Failure, path: Path | None, level: Level, place: tuple[str, int] | None = None
) -> Annotation:
    """A failure in at most eight lines, with how to replay it."""
    title = f"race: {failure.judgement.headline}, {failure.schedule.scenario}"
    return Annotation(level, title, short_story(failure, path), place)


def of_voids(
    test: str, reasons: Sequence[str], level: Level, place: tuple[str, int] | None = None
) -> Annotation:
    """Repetitions of a test that have no verdict, and why the first has none."""
    said = f"{len(reasons)} repetitions have no verdict, the first because: {reasons[0]}"
    return Annotation(level, f"race: void, {test}", said, place)


def line_of(
    test: str | None, evidence: Iterable[Evidence], lines: Sequence[SourceLine]
) -> SourceLine | None:
    """Where a test failed: the line that the evidence names, else the first one of the test."""
    if test is None:
        return None
    by_text = {f"{line.function}: {line.text}": line for line in reversed(lines)}
    for entry in evidence:
        if entry.where is not None and entry.where in by_text:
            return by_text[entry.where]
    name = test.partition("::")[2].partition("[")[0].replace("::", ".")
    of_test = [line for line in lines if line.function == name]
    return min(of_test, key=lambda line: line.number, default=None)


def place_in(workspace: Path, line: SourceLine | None) -> tuple[str, int] | None:
    """File and line for GitHub, whose paths begin at the workspace; None: it lies outside."""
    if line is None or not (file := Path(line.file)).is_relative_to(workspace):
        return None
    return str(file.relative_to(workspace)), line.number


def commands(annotations: Iterable[Annotation]) -> Iterator[str]:
    """The commands: as many of each level as GitHub shows, and how many more there are."""
    told: dict[Level, int] = {"error": 0, "warning": 0}
    for one in annotations:
        told[one.level] += 1
        if told[one.level] <= MOST:
            yield one.command()
    left = sum(max(0, count - MOST) for count in told.values())
    if left:
        yield f"race: {left} more are in no annotation, since GitHub shows {MOST} of each kind"


def environment_of(variables: Mapping[str, str]) -> tuple[Path | None, Path | None]:
    """The workspace, and the file of the job's summary, where the runner names them."""
    workspace, summary = (
        variables.get(name) for name in ("GITHUB_WORKSPACE", "GITHUB_STEP_SUMMARY")
    )
    return (Path(workspace) if workspace else None, Path(summary) if summary else None)
