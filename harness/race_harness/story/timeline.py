"""A failing trial as a story: who did what when, side by side, with the guilty moments marked.

One column for each party, one row for each thing worth showing, time going down. An event that
the evidence names carries a mark wherever it passes, so its way can be followed with a finger
from the server's log to the user, and the row where `run()` ends says what was missing there.
"""

import io
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final, Literal

from rich.box import HORIZONTALS
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from race_harness.model.failure import Failure
from race_harness.model.plain_text import unbroken, visible
from race_harness.story.facts import names_of, replay_of, sentence, since_run, way, where
from race_harness.story.fields import differences
from race_harness.story.interleaving import meetings, sentence_of
from race_harness.story.lanes import Lane, Lanes
from race_harness.story.names import clock, several
from race_harness.story.reproduced import confirmed_line
from race_harness.story.row import Row, Tone
from race_harness.story.rows import tell
from race_harness.story.thread_rows import outside_of_harness

_MARK: Final = "◆"

_STYLES: Final = {
    Tone.PLAIN: "",
    Tone.CONCERNED: "bold red",
    Tone.CALLED: "bold",
    Tone.ENDED: "bold",
    Tone.FAULT: "bold yellow",
    Tone.FOLDED: "dim",
}

_ASCII: Final = str.maketrans("◆→×…", "*>x~")
"""For terminals without Unicode; one character for one, or the columns would shift."""

_LONGEST_WORD: Final = 24
"""Characters: enough for `ObservationEvent(finish)`. Longer words, such as ids in an error, may be
broken."""

_STORY_EVIDENCE: Final = 4
"""Sentences in a short story: with headline, count of the rest, differences and replay, eight."""

_NAMED_EVENTS: Final = 4
"""Events that one sentence names in full; of more it gives only the numbers."""

_LISTED_EVENTS: Final = 12
"""Events listed beneath one sentence of the evidence."""

_STACK_LINES: Final = 6
"""Lines of each thread's stack, innermost last."""


def timeline(
    failure: Failure, path: Path | None = None, *, everything: bool = False
) -> RenderableType:
    """The whole story of a failure, as wide as the terminal; readable from 80 columns on.

    Its times count from the call of `run()`; those in the failure file from the trial's begin.
    `path` is the failure's file, for the replay command. `everything`: join, fold and leave out
    nothing.
    """
    return _Story(since_run(failure), path, everything)


def timeline_text(failure: Failure, path: Path | None = None, width: int = 100) -> str:
    """The same without colour, for a file or a log; `width` in columns."""
    console = Console(record=True, file=io.StringIO(), width=width)
    console.print(timeline(failure, path))
    text = visible(console.export_text())
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def short_story(failure: Failure, path: Path | None = None) -> str:
    """The story in at most eight plain lines, for the report of a failing test."""
    names = names_of(failure)
    evidence = failure.judgement.evidence
    confirmed = confirmed_line(failure)
    head = f"{', '.join(failure.judgement.verdicts)}: {where(failure)}"
    lines = [f"{head}; {confirmed}" if confirmed else head]
    for entry in evidence[:_STORY_EVIDENCE]:
        ids = [str(event["id"]) for event in entry.events]
        few = len(ids) <= _NAMED_EVENTS
        events = ", ".join(map(names.full, ids)) if few else several([*map(names.short, ids)])
        lines.append(f"{sentence(entry)}{f' [{events}]' if events else ''}")
    since = since_run(failure).happenings
    lines += [sentence_of(one, since) for one in meetings(failure)[-1:]]
    if len(evidence) > _STORY_EVIDENCE:
        lines.append(f"... and {len(evidence) - _STORY_EVIDENCE} more findings")
    differs = unbroken("; ".join(differences(failure.schedule))) or "nothing"
    again = replay_of(failure, path)
    return visible("\n".join([*lines, f"differs from a benign schedule: {differs}", again]))


class _Story:
    """Renders again for each console, because the columns depend on its width."""

    def __init__(self, failure: Failure, path: Path | None, everything: bool) -> None:
        self._failure = failure
        self._path = path
        self._everything = everything

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        segments = console.render(Group(*self._parts(options.max_width)), options)
        if not options.ascii_only:
            return segments
        return (segment._replace(text=segment.text.translate(_ASCII)) for segment in segments)

    def _parts(self, width: int) -> Iterator[RenderableType]:
        failure, names = self._failure, names_of(self._failure)
        telling = tell(failure, names, everything=self._everything)
        head = f"{', '.join(failure.judgement.verdicts)}: "
        yield Text(f"{head}{where(failure, width - len(head))}", style="bold")
        if confirmed := confirmed_line(failure):
            yield Text(confirmed)
        if telling.before_run:
            before = f"before run(), not shown: {telling.before_run} happenings; "
            before += f"events persisted by then: {telling.persisted_before_run}"
            if failure.schedule.test is not None:
                before = f"in the setup, not shown: {telling.before_run} happenings"
            yield Text(before, style="dim")
        yield from _lanes(telling.rows, Lanes(failure).all, width)
        yield Text()
        for entry in failure.judgement.evidence:
            yield Text(sentence(entry), style="bold")
            for event in entry.events[:_LISTED_EVENTS]:
                yield _indented(f"{_MARK} {way(event, names)}", _STYLES[Tone.CONCERNED])
            if len(entry.events) > _LISTED_EVENTS:
                yield _indented(f"... and {len(entry.events) - _LISTED_EVENTS} more events")
        for note in failure.judgement.notes:
            yield Text(f"note: {unbroken(note)}")
        for thread, stack in failure.stacks.items():
            yield Text(f"where thread {unbroken(thread)} was:", style="bold")
            if failure.schedule.test is not None:
                stack = outside_of_harness(stack)
            yield _indented("\n".join(stack.rstrip().splitlines()[-_STACK_LINES:]))
        yield Text("what differs from a benign schedule:", style="bold")
        for difference in differences(failure.schedule) or ["nothing"]:
            yield _indented(unbroken(difference))
        # If it were wrapped, it could not be pasted.
        again = replay_of(failure, self._path)
        yield Text(again, style="bold", no_wrap=True, overflow="ignore")


def _lanes(rows: Sequence[Row], lanes: Sequence[Lane], width: int) -> Iterator[RenderableType]:
    """The rows as a table of at most `width` characters; folded rows go across all columns."""
    headings = ("ms", *(lane.heading for lane in lanes))
    lines = [_line(row, lanes) for row in rows if row.tone is not Tone.FOLDED]
    gaps = 2 * (len(headings) - 1)
    widths = _widths([list(column) for column in zip(headings, *lines, strict=True)], width - gaps)
    headed = True
    for across, group in groupby(rows, lambda row: row.tone is Tone.FOLDED):
        if across:
            for row in group:
                text = Text(row.text, style=_STYLES[row.tone])
                yield Padding(text, (0, 0, 0, widths[0] + 2))
            continue
        yield _table(list(group), lanes, widths, headed)
        headed = False


def _table(
    rows: Sequence[Row], lanes: Sequence[Lane], widths: Sequence[int], headed: bool
) -> Table:
    table = Table(
        box=HORIZONTALS, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), show_header=headed
    )
    for heading, room in zip(("ms", *(lane.heading for lane in lanes)), widths, strict=True):
        justify: Literal["left", "right"] = "right" if heading == "ms" else "left"
        table.add_column(heading, width=room, justify=justify, overflow="fold")
    for row in rows:
        table.add_row(
            *(Text(cell) for cell in _line(row, lanes)),
            style=_STYLES[row.tone],
            end_section=row.tone is Tone.ENDED,
        )
    return table


def _line(row: Row, lanes: Sequence[Lane]) -> tuple[str, ...]:
    mark = f"{_MARK} " if row.tone is Tone.CONCERNED else ""
    return (
        clock(row.at_ms),
        *(f"{mark}{row.text}" if row.column == lane.column else "" for lane in lanes),
    )


def _widths(columns: list[list[str]], room: int) -> list[int]:
    """Widths for columns of texts: first every word fits, then the lines of as many as can.

    Narrow columns get the remaining room first, so that one long line makes only its own column
    wrap.
    """
    widths = [
        min(_LONGEST_WORD, max(cell_len(word) for text in texts for word in text.split() or [""]))
        for texts in columns
    ]
    while sum(widths) > room:
        widths[widths.index(max(widths))] -= 1
    lacking = [
        max(map(cell_len, texts)) - width for texts, width in zip(columns, widths, strict=True)
    ]
    spare = room - sum(widths)
    modest_first = sorted(range(len(columns)), key=lambda n: lacking[n])
    for served, n in enumerate(modest_first):
        more = max(0, min(lacking[n], spare // (len(columns) - served)))
        widths[n] += more
        spare -= more
    return widths


def _indented(text: str, style: str = "") -> RenderableType:
    return Padding(Text(text, style=style), (0, 0, 0, 2))
