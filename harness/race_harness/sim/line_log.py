"""The log of a test's lines: which thread ran which, in their order among all that happens.

Most lines run again and again, and a story has no room for that. The log keeps the first and the
last visits of each thread to each line, and of all those the latest.
"""

from collections import defaultdict, deque
from itertools import count
from typing import Any, Final, NamedTuple

from race_harness.model.trace import Happening
from race_harness.sim.kernel import Kernel
from race_harness.sim.source import Function

_FIRST: Final = 6
_LAST: Final = 6
"""Last visits that the log keeps of one line by one thread."""
_MOST: Final = 300
"""Visits that the log keeps of a trial."""


class _Visit(NamedTuple):
    number: int
    position: int
    """How many happenings the trace had when the line ran."""
    at_ns: int
    thread: str
    function: Function
    line: int
    nth: int
    round: int
    """Counts the thread's passes through the function; within one, line numbers only rise."""


class LineLog:
    """Listens to `stalls.Lines`; the trial sees nothing of it."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._numbers = count()
        self._seen: dict[tuple[int, int, int], int] = defaultdict(int)
        self._rounds: dict[tuple[int, int], tuple[int, int]] = {}
        """For each thread in each function: its round, and its line."""
        self._first: list[_Visit] = []
        self._last: dict[tuple[int, int, int], deque[_Visit]] = defaultdict(
            lambda: deque(maxlen=_LAST)
        )

    def tell(self, function: Function, line: int) -> None:
        kernel = self._kernel
        strand = kernel.strand_of_caller()
        key = strand.index, id(function), line
        self._seen[key] += 1
        way, before = self._rounds.get(key[:2], (0, 0))
        way += line <= before
        self._rounds[key[:2]] = way, line
        visit = _Visit(
            next(self._numbers),
            len(kernel.trace.happenings),
            kernel.now_ns,
            kernel.name_of(strand),
            function,
            line,
            self._seen[key],
            way,
        )
        if visit.nth <= _FIRST:
            self._first.append(visit)
        else:
            self._last[key].append(visit)

    def among(self, happenings: tuple[Happening, ...]) -> tuple[Happening, ...]:
        """The happenings of the trial, with the kept lines in between."""
        visits = sorted([*self._first, *(one for last in self._last.values() for one in last)])
        left_out, visits = len(visits[:-_MOST]), visits[-_MOST:]
        told: list[Happening] = []
        position = 0
        skipped = {last[0].number: last[0].nth - _FIRST - 1 for last in self._last.values()}
        for visit in visits:
            told += happenings[position : visit.position]
            position = max(position, visit.position)
            if left_out:
                told.append(
                    Happening(visit.at_ns, "thread", "lines-left-out", {"count": left_out})
                )
                left_out = 0
            told.append(_told(visit, skipped.get(visit.number, 0)))
        return (*told, *happenings[position:])


def _told(visit: _Visit, skipped: int) -> Happening:
    function, line = visit.function, visit.line
    text = function.lines.get(line, "")
    # pytest adds names of its own when it rewrites an assertion.
    names, stores = (
        sorted(name for name in of.get(line, ()) if name in text)
        for of in (function.shared_names, function.stored_names)
    )
    detail: dict[str, Any] = {
        "function": function.name,
        "line": text,
        "names": names,
        "stores": stores,
        "round": visit.round,
    }
    if skipped:
        detail["skipped"] = skipped
    return Happening(visit.at_ns, "thread", "line", detail, visit.thread)
