"""Decides which failures of one cause are worth shrinking: those that no other one explains.

One cause can come about in several ways: a run ends late because the socket is silent, or because
an answer was slow. A shrunk schedule contains what one way needs. A failure with the same cause
that lacks some of that must have come about in another way.
"""

from collections import deque
from dataclasses import fields
from typing import Any, Final, NamedTuple

from race_harness.model.failure import Failure
from race_harness.model.paths import parsed
from race_harness.model.schedule import Schedule

WAYS: Final = 6
"""How many failures of one cause a hunt shrinks."""
_MOST: Final = 200
"""How many failures of one cause are remembered, none of which explains another."""
_TELLING: Final = frozenset(
    {"action", "what", "kind", "link", "way", "route", "function", "line", "outcome"}
)
"""Fields that say what sort of fault, act, turn or stall something is."""


def needs(schedule: Schedule) -> frozenset[str]:
    """Return what is not benign in a schedule, without numbers, such as `network.faults: reset
    socket both`."""
    return frozenset(_kind(name, value) for name, value in schedule.non_default_fields().items())


def _kind(name: str, value: Any) -> str:
    if not isinstance(parsed(name)[-1], int):
        return name
    told = [str(getattr(value, field.name)) for field in fields(value) if field.name in _TELLING]
    return f"{name.rpartition('[')[0]}: {' '.join(told)}"


class SeenFailure(NamedTuple):
    number: int
    """The number of its schedule, counted from one over the whole hunt."""
    failure: Failure


class Ways:
    """The failures of one cause, in the order of their schedules."""

    def __init__(self) -> None:
        self._seen: list[frozenset[str]] = []
        self._waiting: deque[SeenFailure] = deque()
        self._found: list[frozenset[str]] = []

    def add(self, seen: SeenFailure) -> None:
        """Remember a failure, unless an earlier one needs no more: what explains that one explains
        this one too."""
        needed = needs(seen.failure.schedule)
        if len(self._seen) < _MOST and not any(each <= needed for each in self._seen):
            self._seen.append(needed)
            self._waiting.append(seen)

    def explain(self, shrunk: Schedule) -> None:
        """Note that a failure was shrunk to this schedule."""
        self._found.append(needs(shrunk))

    def give_up(self, seen: Schedule) -> None:
        """Forget a failure that did not repeat, so that others with the same needs are tried."""
        self._seen.remove(needs(seen))

    @property
    def found(self) -> int:
        return len(self._found)

    def next(self) -> SeenFailure | None:
        """Return the first failure that nothing explains yet."""
        while self._waiting and len(self._found) < WAYS:
            seen = self._waiting.popleft()
            needed = needs(seen.failure.schedule)
            if not any(each <= needed for each in self._found):
                return seen
        self._waiting.clear()
        return None
