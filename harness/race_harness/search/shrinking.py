"""A failing schedule with less and less in it: which one is to be tried next.

Each trial costs some ten milliseconds, so that only some dozens of them are to be had. First whole
handfuls of what is not benign are left out, then single things, then what is in a fault or an act;
then numbers come closer to benign, until they are within a tenth of the border, and round. What is
tried depends on the schedule and on what came of the trials alone. Delta debugging has the idea of
the handfuls (Zeller and Hildebrandt, Simplifying and isolating failure-inducing input, 2002).
"""

from collections.abc import Generator, Iterator
from typing import Any, Final

from race_harness.model.errors import UsageError
from race_harness.model.paths import Path, at, parsed, put, walk, without
from race_harness.model.schedule import Schedule

Steps = Generator[Schedule, bool]
"""Gives schedules to try, and is sent whether each one fails as it should."""

_NEAR: Final = 0.1
"""How near to the border a number comes, as a share of its distance from benign."""
_NAMES: Final = frozenset({"code", "status", "seed", "entropy"})
"""Numbers that name something: between two of them there is nothing."""


def smaller(schedule: Schedule) -> Steps:
    """Schedules with less in them; each that fails is what the next ones have less than."""
    shrunk = _Shrunk(schedule)
    handful = len(schedule.non_default_fields()) // 2
    while True:
        before = shrunk.schedule
        yield from _leave_out(shrunk, handful)
        yield from _simplify_elements(shrunk)
        yield from _lower(shrunk)
        if shrunk.schedule == before:
            return
        # What is still there was needed before. Now that it is less, one thing may not be.
        handful = 1


class _Shrunk:
    """The smallest schedule so far. None is tried twice."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self._tried = {schedule}

    def attempt(self, candidate: Schedule | None) -> Generator[Schedule, bool, bool]:
        """Have it tried; gives whether it is the smallest from now on."""
        if candidate is None or candidate in self._tried:
            return False
        self._tried.add(candidate)
        fails = yield candidate
        if fails:
            self.schedule = candidate
        return fails


def _leave_out(shrunk: _Shrunk, handful: int) -> Steps:
    """So many of the things that are not benign, then half as many, at last one."""
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
    """Without these elements and with these fields benign; None if there is no such schedule."""
    benign = Schedule(schedule.scenario, schedule.entropy)
    try:
        # From the last one on, so that the others keep their numbers.
        for path in map(parsed, reversed(names)):
            if isinstance(path[-1], int):
                schedule = without(schedule, path)
            else:
                schedule = put(schedule, path, at(benign, path))
        return _checked(schedule)
    except ValueError:
        return None


def _checked(schedule: Schedule) -> Schedule | None:
    """None if some field may not have its value."""
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
    """Faults, acts and stalls whose own fields are benign: all of them, or one."""
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
    """Numbers closer to benign, by halves."""
    for path, value, benign in _numbers(shrunk.schedule):
        passing, failing = benign, value
        while (middle := _between(passing, failing, benign)) is not None:
            if (yield from shrunk.attempt(_put(shrunk.schedule, path, middle))):
                failing = middle
            else:
                passing = middle


def _numbers(schedule: Schedule) -> list[tuple[Path, Any, Any]]:
    """Place, value and default of each that could be nearer to it."""
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
    """A round number between the two; None if they are near enough."""
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
