"""Shows repetitions once: a pattern of a few rows, or minutes of a hang.

Nothing new is left out. A *stretch* is a run of rows that repeat each other, apart from times and
the numbers of requests and peers: a row that never repeats (a fault, a call, an event) or shows
another status ends it. Of a long stretch the first rows of each sort and the last one are shown,
and those between are counted.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, pairwise, starmap
from typing import Final

from race_harness.story.names import clock
from race_harness.story.row import Column, Row, Sort, Tone

_LONGEST_PATTERN: Final = 3
"""Rows. Clients poll one or two things in turn."""

_SHORT_STRETCH: Final = 12
"""Rows. People read this many faster one by one than as a summary."""

_FIRST: Final = 2
"""Rows of one sort that are shown before others are folded."""


def folded(rows: Sequence[Row]) -> Iterator[Row]:
    """The rows, with patterns shown once and long stretches of repetition folded."""
    kept: list[Row] = []
    for stretch in _stretches(rows):
        short = len([*_patterned(stretch)]) <= _SHORT_STRETCH
        kept += stretch if short else _fold(stretch)
    yield from _patterned(kept)


def _stretches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    stretch: list[Row] = []
    facts: dict[tuple[str, ...], str] = {}
    for row in rows:
        sort = row.sort
        if sort is None or facts.setdefault(sort.kind, sort.facts) != sort.facts:
            yield stretch
            stretch = []
            facts = {} if sort is None else {sort.kind: sort.facts}
        stretch.append(row)
        if sort is None:
            yield stretch
            stretch = []
    yield stretch


def _fold(stretch: Sequence[Row]) -> Iterator[Row]:
    """The first rows of each sort and the last one; those between them are counted.

    `stretch`: rows that all have a sort, one for each kind.
    """
    total = Counter(_kind(row) for row in stretch)
    seen: Counter[tuple[str, ...]] = Counter()

    def is_between(row: Row) -> bool:
        kind = _kind(row)
        seen[kind] += 1
        return _FIRST < seen[kind] < total[kind]

    for between, group in groupby(stretch, is_between):
        block = list(group)
        yield from _counted(block) if between else block


def _counted(block: Sequence[Row]) -> list[Row]:
    """A row for each number of repetitions: rows that come equally often belong together."""
    alike: dict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in block:
        alike[_kind(row)].append(row)
    equal: dict[int, list[list[Row]]] = defaultdict(list)
    for rows in alike.values():
        equal[len(rows)].append(rows)
    once = [row for rows in equal.pop(1, []) for row in rows]
    for times in sorted(equal):
        # A group whose beginning is cut off has one more of the rows at its end.
        if times - 1 in equal:
            for first, *others in equal.pop(times):
                once.append(first)
                equal[times - 1].append(others)
    return sorted([*once, *starmap(_account, equal.items())], key=lambda row: row.at_ms)


def _account(times: int, several: Sequence[Sequence[Row]]) -> Row:
    group = sorted(several, key=lambda rows: rows[0].at_ms)
    first = group[0][0]
    last_ms = max(rows[-1].at_ms for rows in group)
    says = "; ".join(_sort(rows[0]).said for rows in group)
    return Row(
        first.at_ms,
        first.column,
        f"… {times} times more, every {_pace(group[0])}, to {last_ms / 1000:.1f} s: {says}",
        tone=Tone.FOLDED,
    )


def _pace(rows: Sequence[Row]) -> str:
    """Such as `1.0 s`, or `500 ms to 2.0 s` where it varies."""
    gaps = sorted(later.at_ms - earlier.at_ms for earlier, later in pairwise(rows))
    return " to ".join(dict.fromkeys(map(_length, (gaps[0], gaps[-1]))))


def _length(ms: float) -> str:
    return f"{ms / 1000:.1f} s" if ms >= 1_000 else f"{ms:.0f} ms"


def _sort(row: Row) -> Sort:
    assert row.sort is not None
    return row.sort


def _kind(row: Row) -> tuple[str, ...]:
    return _sort(row).kind


def _patterned(rows: Sequence[Row]) -> Iterator[Row]:
    """Show a repeating pattern of rows once."""
    texts = [(row.column, row.text) for row in rows]
    start = 0
    while start < len(rows):
        length, times = _pattern(texts, start)
        for offset in range(length):
            row = rows[start + offset]
            if times == 1:
                yield row
                continue
            last = rows[start + offset + (times - 1) * length]
            said = row.said if row.polls else f"{times} × {row.said}"
            yield replace(
                row,
                subject=f"{said},",
                did=(f"last at {clock(last.at_ms)}",),
                polls=times if row.polls else 0,
            )
        start += length * times


def _pattern(texts: list[tuple[Column, str]], start: int) -> tuple[int, int]:
    """Length and repetitions of the pattern at `start` that covers most rows; (1, 1) if none."""
    best = (1, 1)
    for length in range(1, _LONGEST_PATTERN + 1):
        pattern = texts[start : start + length]
        times = 1
        while texts[start + times * length : start + (times + 1) * length] == pattern:
            times += 1
        # Two rows that return once may be chance, and are easier to read than a summary.
        enough = 2 if length == 1 else 3
        if times >= enough and times * length > best[0] * best[1]:
            best = (length, times)
    return best
