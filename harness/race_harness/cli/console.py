"""Where the commands write: results to stdout, progress and errors to stderr."""

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.segment import Segment

from race_harness.model.asked import LONGEST_S, MOST_JOBS, MOST_REPS, MOST_SEED
from race_harness.model.errors import UsageError
from race_harness.model.plain_text import visible


class TextConsole(Console):
    """Prints text as text: nothing in it is markup, and control characters are shown as escapes.

    Tables and stories may hold text from another user's file; all of it goes out through here.
    """

    def __init__(self, **options: Any) -> None:
        if os.environ.get("NO_COLOR"):
            # Otherwise rich would still print bold and dim.
            options["color_system"] = None
        super().__init__(markup=False, emoji=False, highlight=False, **options)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterator[Segment]:
        """The segments as laid out, with escapes for what a terminal would obey."""
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield segment._replace(text=visible(segment.text))


output = TextConsole()
errors = TextConsole(stderr=True)

Scenario = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE.py",
        help="The scenario, from the list of `race scenarios`, or FILE.py[:NAME] for one of "
        "your own. [default: final-events]",
    ),
]
ScheduleFile = Annotated[
    Path | None,
    typer.Option(
        "--schedule",
        metavar="FILE",
        help="Repeat this schedule instead: a failure file or a plain schedule. Only ids and "
        "jitter differ between repetitions.",
    ),
]
Reps = Annotated[int, typer.Option(min=1, max=MOST_REPS, help="Repetitions for each client.")]
Seed = Annotated[
    int, typer.Option(min=0, max=MOST_SEED, help="The seed that schedules are drawn from.")
]
Jobs = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_JOBS,
        help="How many trials run at once. [default: one for each core; in the real world, "
        "where trials mostly wait, four]",
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="Also fail where a trial passes without being `ok`: a call raised for a reason, "
        "or the server held something up.",
    ),
]
Server = Annotated[
    str,
    typer.Option(
        metavar="fake|real[:RELEASE]",
        help="Run the client against the fake server, or against the real one of its own "
        "release (`reference`: of the newest). :RELEASE names another release; the real "
        "server of another release needs --world real, except with `reference`.",
    ),
]
World = Annotated[
    str,
    typer.Option(
        metavar="sim|real",
        help="The simulation, with virtual time and controlled threads; or real time, with "
        "loopback sockets.",
    ),
]
Confirm = Annotated[
    bool,
    typer.Option(
        "--confirm/--no-confirm",
        help="Try each failure of an openhands-sdk on the real server, too, in the simulation.",
    ),
]
JsonFile = Annotated[
    Path | None,
    typer.Option("--json", metavar="FILE", help="Write the numbers to this file; - is stdout."),
]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print the table as Markdown.")]


def print_story(story: str, console: Console = errors) -> None:
    """Print a short story. On a terminal its lines wrap between words, except for commands and
    lines with a path that is too long, which could not be pasted then."""
    for line in story.splitlines():
        too_long = any(cell_len(word) > console.width for word in line.split())
        kept = not console.is_terminal or too_long or line.startswith("replay: ")
        console.print(line, markup=False, highlight=False, soft_wrap=kept)


class CampaignProgress:
    """One line a client: preparing, importing, then a bar with passes and failures so far."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress

    def step(self, text: str) -> None:
        """Say something that stays on the terminal."""
        # If it were wrapped, a command in it could not be pasted.
        self._progress.console.print(
            text, style="dim", markup=False, highlight=False, soft_wrap=True
        )

    @contextlib.contextmanager
    def bar(self, label: str, total: int) -> Iterator["Bar"]:
        bar = Bar(self._progress, label, total)
        try:
            yield bar
        finally:
            bar.stop()


class Bar:
    """The bar of one client: preparing, importing, then passes and failures so far."""

    def __init__(self, progress: Progress, label: str, total: int) -> None:
        self._progress = progress
        self._label = _with_room(label, progress.console.width - _BESIDE_LABEL)
        self._total = total
        self._failed = 0
        self._begun = False
        self._task = progress.add_task(f"{label}  importing the client", total=None)

    def begin(self) -> None:
        self._begun = True
        # With a total of 0 the bar would be full, and its clock would stop.
        total = self._total or None
        self._progress.update(self._task, total=total, description=f"{self._label}  trials")

    def advance(self, *, passed: bool) -> None:
        self._failed += not passed
        failed = f"  {self._failed} failed" if self._failed else ""
        self._progress.update(self._task, advance=1, description=f"{self._label}  trials{failed}")

    def stop(self) -> None:
        """Leave the bar as it is, but remove one that never began."""
        if self._begun:
            self._progress.stop_task(self._task)
        else:
            self._progress.remove_task(self._task)


_BESIDE_LABEL: Final = 48
"""Columns for the rest of a bar's line, such as `trials  99 failed ━━━━━ 1000/1000 0:00:09`."""


def _with_room(label: str, most: int) -> str:
    """The label; if too long, without its middle: names begin alike and differ at the end."""
    most = max(most, 24)
    if len(label) <= most:
        return label
    first = label[: len(label) - len(label.lstrip())] + label.split()[0]
    return f"{first} …{label[len(label) - max(most - len(first) - 2, 12) :]}"


@contextlib.contextmanager
def campaign_progress() -> Iterator[CampaignProgress]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    # A log file wants neither a last frame of every bar nor a blank line before an error.
    with Progress(*columns, console=errors, disable=not errors.is_terminal) as progress:
        yield CampaignProgress(progress)


def check_writable(path: Path | None) -> None:
    """Find out now, not after minutes of trials.

    Raises:
        UsageError: the file cannot be written.
    """
    if path is None or str(path) == "-":
        return
    existed = path.exists()
    try:
        with path.open("a"):
            pass
        if not existed:
            path.unlink()
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from None


def check_outputs(json_file: Path | None, *, markdown: bool) -> None:
    """Find out before the trials whether the results have somewhere to go.

    Raises:
        UsageError: the file cannot be written, or two forms would go to stdout.
    """
    if markdown and str(json_file) == "-":
        raise UsageError("--markdown and --json - both print to stdout: give --json a file")
    check_writable(json_file)


def write_json(path: Path | None, data: dict[str, Any]) -> None:
    if path is None:
        return
    text = json.dumps(data, indent=2) + "\n"
    if str(path) == "-":
        print(text, end="")
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from None


def write_text(path: Path, text: str) -> None:
    """Write a file, or stdout for `-`.

    Raises:
        UsageError: it cannot be written.
    """
    if str(path) == "-":
        print(text, end="")
        return
    try:
        # The text may hold the failure file's name, which need not be valid text.
        path.write_text(text, encoding="utf-8", errors="replace")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from None
    errors.print(f"wrote {path}", style="dim", markup=False, highlight=False, soft_wrap=True)


def shell_word(text: str) -> str:
    """A word for a command line that people paste."""
    return text if re.fullmatch(r"[\w./@+:-]+", text) else "'" + text.replace("'", "'\\''") + "'"


def parse_time(text: str) -> float:
    """Seconds in `90`, `60s`, `5m`, `2h`.

    Raises:
        UsageError: it is none of these, nothing, or longer than a year.
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)?", text.strip())
    if match is None:
        raise UsageError(f"--for {text!r} is no time: write 60s, 5m or 2h")
    seconds = float(match[1]) * {"s": 1, "m": 60, "h": 3_600}[match[2] or "s"]
    if not 0 < seconds <= LONGEST_S:
        raise UsageError(
            f"--for {text[:40]!r} is no time to run for: take more than 0s, and at most 366 days"
        )
    return seconds
