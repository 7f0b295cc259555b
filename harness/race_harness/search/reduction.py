"""A failing schedule with as little in it as still fails: field by field, greedily.

Hypothesis shrinks better where thousands of trials are cheap (`search.minimal`). This needs some
dozens, and starts from any schedule.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from race_harness.model.paths import Path, at, parsed, put, walk, without
from race_harness.model.schedule import Schedule

_DECIMALS: Final = 1
"""To which times are halved, as they are drawn."""


def reduced(schedule: Schedule, fails: Callable[[Schedule], bool], tries: int = 60) -> Schedule:
    """The schedule with each field benign, or as near to it as was seen to fail, with at most so
    many calls of `fails`."""
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
    """With one thing less each: an element left out, a field at its default."""
    benign = Schedule(schedule.scenario, schedule.entropy)
    for name in schedule.non_default_fields():
        path = parsed(name)
        if isinstance(path[-1], int):
            yield without(schedule, path)
        else:
            yield put(schedule, path, at(benign, path))


def _times(schedule: Schedule) -> list[Path]:
    """Where it has times, latencies and the like that could be shorter."""
    return [
        place.path
        for place in walk(schedule)
        if str(place.path[-1]).endswith("_ms")
        and isinstance(place.value, int | float)
        and isinstance(place.default, int | float)
        and place.value > place.default
    ]


def _nearer(schedule: Schedule, path: Path) -> Schedule | None:
    """With the time there half as far from its default; None where that is no change."""
    value: float = at(schedule, path)
    default: Any = next(place.default for place in walk(schedule) if place.path == path)
    halved = round((value + default) / 2, _DECIMALS)
    return put(schedule, path, halved) if default < halved < value else None
