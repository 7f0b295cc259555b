"""Joins neighbouring rows that belong together, without changing the order."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby
from typing import Final

from race_harness.story.folding import folded
from race_harness.story.names import Names, clock, several
from race_harness.story.row import Column, Row, Tone

_LONGEST_STRETCH: Final = 24
"""Happenings. The events of a short run, some six with four steps each, are shown one by one."""


def joined(rows: list[Row], names: Names) -> list[Row]:
    """The rows to show; each event has its full name where it first appears."""
    return list(introduced(folded(_bursts(_joined(_stretched(rows)))), names))


def _stretched(rows: list[Row]) -> Iterator[Row]:
    """Show a long stretch of nothing but unconcerned events in one row for each column."""
    for uneventful, group in groupby(rows, _is_uneventful):
        stretch = list(group)
        if not uneventful or len(stretch) <= _LONGEST_STRETCH:
            yield from stretch
            continue
        ways: dict[tuple[Column, str], list[Row]] = {}
        for row in stretch:
            ways.setdefault((row.column, row.subject), []).append(row)
        # Events share a row only if exactly the same happened to them in this stretch.
        alike: dict[tuple[Column, tuple[str, ...]], list[list[Row]]] = {}
        for (column, _), steps in ways.items():
            did = tuple(word for step in steps for word in step.did)
            alike.setdefault((column, did), []).append(steps)
        rows_told = [
            Row(
                at_ms=events[0][0].at_ms,
                column=column,
                subject=several([steps[0].subject for steps in events]),
                did=(*did, f"until {clock(max(steps[-1].at_ms for steps in events))}"),
                delivered=events[0][0].delivered,
            )
            for (column, did), events in alike.items()
        ]
        yield from sorted(rows_told, key=lambda row: row.at_ms)


def _is_uneventful(row: Row) -> bool:
    return _of_event(row) and row.tone is Tone.PLAIN


def _of_event(row: Row) -> bool:
    return row.about is not None and row.about[0] == "event"


def _joined(rows: Iterable[Row]) -> list[Row]:
    """Join neighbours about the same thing in the same column."""
    joined: list[Row] = []
    for row in rows:
        last = joined[-1] if joined else None
        if last is None or row.about is None or _theme(row) != _theme(last):
            joined.append(row)
            continue
        later = clock(row.at_ms) != clock(last.at_ms)
        if row.did == ("callback done",) and last.did[-1:] == ("callback",) and not later:
            continue  # A callback that takes no time ends when it is called.
        did = tuple(f"{word} at {clock(row.at_ms)}" if later else word for word in row.did)
        sort = last.sort.joined(row.sort) if last.sort and row.sort else None
        joined[-1] = replace(last, did=last.did + did, sort=sort)
    return joined


def _theme(row: Row) -> tuple[object, ...]:
    return row.column, row.about


def _bursts(rows: Iterable[Row]) -> list[Row]:
    """Join neighbouring events to which the same thing happened at the same time."""
    bursts: list[Row] = []
    for _, group in groupby(rows, _burst):
        burst = list(group)
        if len(burst) > 1 and _of_event(burst[0]):
            which = several([row.subject for row in burst])
            burst = [replace(burst[0], subject=which, about=None, sort=None)]
        bursts += burst
    return bursts


def _burst(row: Row) -> tuple[object, ...]:
    return row.column, row.tone, row.did, clock(row.at_ms), _of_event(row)


def introduced(rows: Iterable[Row], names: Names) -> Iterator[Row]:
    """Give each event its full name where it first appears; after that its number will do."""
    told: set[str] = set()
    for row in rows:
        if row.about is None or row.about[0] != "event" or row.about[1] in told:
            yield row
            continue
        told.add(row.about[1])
        yield replace(row, subject=names.full(row.about[1]))
