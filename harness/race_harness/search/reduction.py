"""Reduces a failing schedule to as little as still fails: greedily, field by field.

If thousands of trials are cheap, Hypothesis shrinks better (`search.minimal`). This needs some
dozens, and can start from any schedule.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from race_harness.model.paths import Path, at, parsed, put, walk, without
from race_harness.model.schedule import Schedule

_DECIMALS: Final = 1
"""How many decimals a halved time gets, as when it is drawn."""


def reduced(schedule: Schedule, fails: Callable[[Schedule], bool], tries: int = 60) -> Schedule:
    """Return the schedule with each field benign, or as near to that as was seen to fail, after at
    most `tries` calls of `fails`."""
    left = tries
    simpler = True
    while simpler and left > 0:
        simpler = False
        for candidate in _simpler(schedule):
            if left <= 0:
                break
            left -= 1
            if fails(candidate):
                schedule, simpler = candidate, True
                break
    for path in _times(schedule):
        while left > 0 and (halved := _nearer(schedule, path)) is not None:
            left -= 1
            if not fails(halved):
                break
            schedule = halved
    return schedule


def _simpler(schedule: Schedule) -> Iterator[Schedule]:
    """Yield schedules with one thing less: an element left out, or a field at its default."""
    benign = Schedule(schedule.scenario, schedule.entropy)
    for name in schedule.non_default_fields():
        path = parsed(name)
        if isinstance(path[-1], int):
            yield without(schedule, path)
        else:
            yield put(schedule, path, at(benign, path))


def _times(schedule: Schedule) -> list[Path]:
    """Return the paths of times, such as latencies, that could be shorter."""
    return [
        place.path
        for place in walk(schedule)
        if str(place.path[-1]).endswith("_ms")
        and isinstance(place.value, int | float)
        and isinstance(place.default, int | float)
        and place.value > place.default
    ]


def _nearer(schedule: Schedule, path: Path) -> Schedule | None:
    """Return the schedule with that time half as far from its default; None if that changes
    nothing."""
    value: float = at(schedule, path)
    default: Any = next(place.default for place in walk(schedule) if place.path == path)
    halved = round((value + default) / 2, _DECIMALS)
    return put(schedule, path, halved) if default < halved < value else None
