"""Shrinks a failing schedule: decides which smaller one to try next.

Each trial costs some ten milliseconds, so there is time for only some dozens. First whole handfuls
of what is not benign are left out, then single things, then fields of a fault or an act; then
numbers move towards benign until they are within a tenth of the border, and round. The next try
depends only on the schedule and the results so far. The handfuls come from delta debugging (Zeller
and Hildebrandt, Simplifying and isolating failure-inducing input, 2002).
"""

from collections.abc import Generator, Iterator
from typing import Any, Final

from race_harness.model.errors import UsageError
from race_harness.model.paths import Path, at, parsed, put, walk, without
from race_harness.model.schedule import Schedule

Steps = Generator[Schedule, bool]
"""Yields schedules to try, and is sent whether each one fails as it should."""

_NEAR: Final = 0.1
"""How near to the border a number comes, as a share of its distance from benign."""
_NAMES: Final = frozenset({"code", "status", "seed", "entropy"})
"""Numbers that name something, so that there is nothing between two of them."""


def smaller(schedule: Schedule) -> Steps:
    """Yield smaller schedules; each one that fails is where the next ones start."""
    shrunk = _Shrunk(schedule)
    handful = len(schedule.non_default_fields()) // 2
    while True:
        before = shrunk.schedule
        yield from _leave_out(shrunk, handful)
        yield from _simplify_elements(shrunk)
        yield from _lower(shrunk)
        if shrunk.schedule == before:
            return
        # Everything left was needed when it was tried, but may not be in the smaller schedule.
        handful = 1


class _Shrunk:
    """The smallest schedule so far. No schedule is tried twice."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._tried = {schedule}

    def attempt(self, candidate: Schedule | None) -> Generator[Schedule, bool, bool]:
        """Have a candidate tried; returns whether it is now the smallest."""
        if candidate is None or candidate in self._tried:
            return False
        self._tried.add(candidate)
        fails = yield candidate
        if fails:
            self.schedule = candidate
        return fails


def _leave_out(shrunk: _Shrunk, handful: int) -> Steps:
    """Leave out a handful of the things that are not benign, then half as many, at last one."""
    while True:
        handful, first = max(handful, 1), 0
        while first < len(names := list(shrunk.schedule.non_default_fields())):
            simpler = _benign_at(shrunk.schedule, names[first : first + handful])
            if not (yield from shrunk.attempt(simpler)):
                first += handful
        if handful == 1:
            return
        handful //= 2


def _benign_at(schedule: Schedule, names: list[str]) -> Schedule | None:
    """Return the schedule without these elements and with these fields benign; None if that is no
    valid schedule."""
    benign = Schedule(schedule.scenario, schedule.entropy)
    try:
        # Last one first, so that the other elements keep their numbers.
        for path in map(parsed, reversed(names)):
            if isinstance(path[-1], int):
                schedule = without(schedule, path)
            else:
                schedule = put(schedule, path, at(benign, path))
        return _checked(schedule)
    except ValueError:
        return None


def _checked(schedule: Schedule) -> Schedule | None:
    """Return the schedule; None if a field has a value that is not allowed."""
    try:
        return Schedule.from_dict(schedule.to_dict())
    except UsageError:
        return None


def _put(schedule: Schedule, path: Path, to: object) -> Schedule | None:
    try:
        return _checked(put(schedule, path, to))
    except ValueError:
        return None


def _simplify_elements(shrunk: _Shrunk) -> Steps:
    """Make the fields of faults, acts and stalls benign: all of them, else one by one."""
    for name in shrunk.schedule.non_default_fields():
        path = parsed(name)
        if not isinstance(path[-1], int):
            continue
        inner = [(*path, *place.path) for place in _own_fields(at(shrunk.schedule, path))]
        if len(inner) > 1:
            whole: Schedule | None = shrunk.schedule
            for place in inner:
                whole = whole and _put(whole, place, _default(whole, place))
            if (yield from shrunk.attempt(whole)):
                continue
        for place in inner:
            simple = _put(shrunk.schedule, place, _default(shrunk.schedule, place))
            yield from shrunk.attempt(simple)


def _own_fields(element: Any) -> Iterator[Any]:
    for place in walk(element):
        if isinstance(place.default, str | int | float | bool | None) and (
            place.value != place.default
        ):
            yield place


def _default(schedule: Schedule, path: Path) -> Any:
    return next(place.default for place in walk(schedule) if place.path == path)


def _lower(shrunk: _Shrunk) -> Steps:
    """Move numbers towards benign, by bisection."""
    for path, value, benign in _numbers(shrunk.schedule):
        passing, failing = benign, value
        while (middle := _between(passing, failing, benign)) is not None:
            if (yield from shrunk.attempt(_put(shrunk.schedule, path, middle))):
                failing = middle
            else:
                passing = middle


def _numbers(schedule: Schedule) -> list[tuple[Path, Any, Any]]:
    """Return path, value and default of each number that differs from its default."""
    return [
        place
        for place in walk(schedule)
        if place.path[-1] not in _NAMES
        and _is_number(place.value)
        and _is_number(place.default)
        and place.value != place.default
    ]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _between(passing: Any, failing: Any, benign: Any) -> Any:
    """Return a round number between the two; None if they are near enough."""
    if abs(failing - passing) <= _NEAR * abs(failing - benign):
        return None
    middle = (passing + failing) / 2
    low, high = sorted((passing, failing))
    if isinstance(failing, int):
        whole = int(middle)
        return whole if low < whole < high else None
    for digits in (2, 3):
        rounded = round(float(f"{middle:.{digits}g}"), 1)
        if low < rounded < high:
            return rounded
    return None
