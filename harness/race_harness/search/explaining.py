"""Which failures of one cause are worth shrinking: those that no other one explains.

Two failures of one cause can come about in two ways: a run ends late because the socket is silent,
or because an answer was slow. A shrunk schedule holds what one way needs. Whatever fails for the
same cause and lacks some of it has come another way.
"""

from collections import deque
from dataclasses import fields
from typing import Any, Final, NamedTuple

from race_harness.model.failure import Failure
from race_harness.model.paths import parsed
from race_harness.model.schedule import Schedule

WAYS: Final = 6
"""How many failures of one cause are shrunk."""
_MOST: Final = 200
"""How many that need not be explained by one another are remembered of a cause."""
_TELLING: Final = frozenset(
    {"action", "what", "kind", "link", "way", "route", "function", "line", "outcome"}
)
"""Fields that say what sort of fault, act, turn or stall it is."""


def needs(schedule: Schedule) -> frozenset[str]:
    """What is not benign in it, without numbers, such as `network.faults: reset socket both`."""
    return frozenset(_kind(name, value) for name, value in schedule.non_default_fields().items())


def _kind(name: str, value: Any) -> str:
    if not isinstance(parsed(name)[-1], int):
        return name
    told = [str(getattr(value, field.name)) for field in fields(value) if field.name in _TELLING]
    return f"{name.rpartition('[')[0]}: {' '.join(told)}"


class SeenFailure(NamedTuple):
    number: int
    """Of its schedule, counted from one over the whole hunt."""
    failure: Failure


class Ways:
    """The failures of one cause, in the order of their schedules."""

    def __init__(self) -> None:
        self._seen: list[frozenset[str]] = []
        self._waiting: deque[SeenFailure] = deque()
        self._found: list[frozenset[str]] = []

    def add(self, seen: SeenFailure) -> None:
        """Remember one, unless an earlier one needs less: what explains that explains this."""
        needed = needs(seen.failure.schedule)
        if len(self._seen) < _MOST and not any(each <= needed for each in self._seen):
            self._seen.append(needed)
            self._waiting.append(seen)

    def explain(self, shrunk: Schedule) -> None:
        """One was shrunk to this."""
        self._found.append(needs(shrunk))

    def give_up(self, seen: Schedule) -> None:
        """One did not repeat: others that need as much are to be looked at."""
        self._seen.remove(needs(seen))

    @property
    def found(self) -> int:
        return len(self._found)

    def next(self) -> SeenFailure | None:
        """The first that nothing explains yet."""
        while self._waiting and len(self._found) < WAYS:
            seen = self._waiting.popleft()
            needed = needs(seen.failure.schedule)
            if not any(each <= needed for each in self._found):
                return seen
        self._waiting.clear()
        return None
