"""The rows of a test's story: what its threads ran, what went over the wire, where they wait.

Lines that a thread runs one after another are one row, a *stretch*, which ends where another
thread runs. The lines between which another thread got are marked, and each has its own row.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, Final

from race_harness.model.failure import Failure
from race_harness.story.interleaving import meetings
from race_harness.story.lanes import MAIN, OTHERS, Lanes, short, thread_of
from race_harness.story.names import endpoint
from race_harness.story.row import Row, Tone

_LONGEST_LINE: Final = 60
"""Characters of a line of source."""
_FEW: Final = 4
"""Lines up to which a stretch shows all."""
_MOST: Final = 50
"""Rows that are shown without `--all`."""

_STACK: Final = re.compile(r"\d+ (?P<thread>.+?)(?: \(waits: (?P<on>.*)\))?$")
_FRAME: Final = re.compile(r'File ".*", line \d+, in (?P<function>.+)\n\s+(?P<line>.+)')


class ThreadRows:
    """Turns what happens in a test into rows, one by one."""

    def __init__(self, failure: Failure) -> None:
        self._failure = failure
        self._lanes = Lanes(failure)
        self._met = {place for one in meetings(failure) for place in one.places}
        self._hangs = failure.judgement.headline == "hang"
        self._asked: dict[object, str] = {}
        name = (failure.schedule.test or "").rpartition("::")[2]
        self._test = name.partition("[")[0]
        """The name of the test's function, which rows leave out."""

    def skips(self, happening: dict[str, Any]) -> bool:
        """Whether it has no row: a test that hangs only raises that it was stopped."""
        return self._hangs and happening["what"] == "test-failed"

    def row(self, position: int, happening: dict[str, Any]) -> Row | None:
        """The row of a happening; None: it has the row of a scenario, in its thread's column."""
        match happening["what"]:
            case "line":
                return self._line(position, happening)
            case "lines-left-out":
                says = f"… {happening.get('count')} lines before are not in the file"
                return self._row(happening, says, tone=Tone.FOLDED)
            case "request":
                says = endpoint(happening.get("method", "request"), happening.get("route", ""))
                if "by" in happening:
                    says += f" of {short(happening['by'])}"
                self._asked[happening.get("number")] = says
                return self._row(happening, says, "arrives")
            case "answer" | "unanswered":
                asked = self._asked.get(happening.get("number"), "a request")
                did = f"→ {happening.get('status', 'no answer')}"
                if "by" in happening:
                    did += f", by {short(happening['by'])}"
                return self._row(happening, asked, did)
        return None

    def placed(self, row: Row, happening: dict[str, Any]) -> Row:
        """A row of a scenario, moved to its thread's column."""
        return replace(row, column=self._lanes.column_of(happening), sort=None)

    def end(self) -> Iterator[Row]:
        """Rows that say where the threads of a hanging test wait."""
        if not self._hangs or not self._failure.happenings:
            return
        last_ms = float(self._failure.happenings[-1]["at_ms"])
        for thread, on, where in waiting(self._failure):
            says = f"waits{f' ({on})' if on else ''}: {where}"
            column = self._lanes.of_thread(thread)
            said = f"{short(thread)} {says}" if column == OTHERS else says
            yield Row(last_ms, column, said, tone=Tone.FAULT)
        stopped = next((one.stopped for one in self._failure.judgement.evidence), None)
        yield Row(last_ms, self._lanes.callers, f"the test hangs: {stopped}", tone=Tone.ENDED)

    def _line(self, position: int, happening: dict[str, Any]) -> Row:
        skipped = happening.get("skipped")
        text = clipped(str(happening.get("line")))
        if skipped:
            text = f"… {skipped} times more, then {text}"
        tone = Tone.CONCERNED if position in self._met else Tone.PLAIN
        function = str(happening.get("function")).rpartition(".")[2]
        subject = "" if function == self._test else f"{function}:"
        row = self._row(happening, subject, text, tone=tone)
        return replace(row, about=("lines", str(thread_of(happening))))

    def _row(
        self, happening: dict[str, Any], subject: str, did: str = "", tone: Tone = Tone.PLAIN
    ) -> Row:
        column = self._lanes.column_of(happening)
        by = thread_of(happening) or happening.get("by")
        if column == OTHERS:
            subject = f"{short(str(by))}: {subject}".rstrip()
        author = "" if by is None else self._lanes.of_thread(str(by))
        return Row(
            float(happening["at_ms"]), column, subject, (did,) if did else (), tone=tone, by=author
        )


def waiting(failure: Failure) -> Iterator[tuple[str, str, str]]:
    """For each thread that was alive when the test was stopped: its name, what it waits for, and
    the innermost line of the test that it was in."""
    own = {
        (str(one.get("function")).rpartition(".")[2], one.get("line"))
        for one in failure.happenings
        if one["what"] == "line"
    }
    for title, stack in failure.stacks.items():
        found = _STACK.match(title)
        if found is None:
            continue
        frames = [
            (frame["function"].rpartition(".")[2], frame["line"].strip())
            for frame in _FRAME.finditer(stack)
        ]
        where = next((frame for frame in reversed(frames) if frame in own), None)
        name = MAIN if found["thread"] == "main" else found["thread"]
        if where is not None:
            yield name, found["on"] or "", f"{where[0]}: {clipped(where[1])}"


def outside_of_harness(stack: str) -> str:
    """A stack without the simulation's own frames, in which every thread waits."""
    frames = re.split(r"(?m)^(?=  File )", stack)
    return "".join(one for one in frames if "/race_harness/sim/" not in one) or stack


def stretched(rows: Sequence[Row]) -> Iterator[Row]:
    """Join the lines that one thread runs uninterrupted into one row; marked ones stay alone."""

    def stretch(row: Row) -> object:
        is_line = row.about is not None and row.about[0] == "lines"
        if not is_line:
            return id(row)
        # Where columns are shared, threads are still told apart.
        return row.column, row.about, row.tone if row.tone is Tone.PLAIN else id(row)

    for _, group in groupby(rows, stretch):
        several = list(group)
        first = several[0]
        if len(several) > 1:
            first = replace(first, subject=_told(several), did=())
        yield first if first.about is None else replace(first, about=None)


def _told(stretch: Sequence[Row]) -> str:
    """The lines, each once; of many, the first ones and the last."""
    told: list[str] = []
    function = ""
    for row in stretch:
        line = row.did[0] if row.did else ""
        if row.subject != function:
            function = row.subject
            line = f"{function} {line}".strip()
        if line not in told:
            told.append(line)
    if len(told) > _FEW:
        told[2:-1] = [f"… {len(told) - 3} lines …"]
    return "; ".join(told)


def bounded(rows: Sequence[Row]) -> list[Row]:
    """At most `_MOST` rows, around those that matter."""
    anchors = [place for place, row in enumerate(rows) if row.tone is not Tone.PLAIN]
    if len(rows) <= _MOST or not anchors:
        return [*rows]
    by_weight = sorted(
        range(len(rows)), key=lambda place: min(abs(place - anchor) for anchor in anchors)
    )
    kept = set(by_weight[:_MOST])
    told: list[Row] = []
    for is_kept, group in groupby(range(len(rows)), kept.__contains__):
        places = list(group)
        if is_kept:
            told += [rows[place] for place in places]
        else:
            first = rows[places[0]]
            says = f"… {len(places)} rows, which --all shows"
            told.append(Row(first.at_ms, first.column, says, tone=Tone.FOLDED))
    return told


def clipped(line: str) -> str:
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…"
