"""How far the decisions of a schedule are apart: what must change before its verdict does.

A verdict hangs on which of two things is first. In the simulation one nanosecond decides; on a
machine whose every act takes some time of its own it may be decided the other way. A schedule has
a *gap* if its verdict is the same wherever its times are up to that much shorter or longer. Far
ones do not tell of near ones: what has to come between two others may have a millisecond for it,
and be too early here and too late at a distance.
"""

import random
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final

from harness.schedule import Schedule

SCALES: Final = (1.0, 0.1, 0.01)
"""How far away neighbours are in which all times differ at once, as shares of the gap."""
TOGETHER: Final = 10
"""So many at each scale: a sample, which a narrow window may escape."""

_UNITS: Final = {"_ms": 1.0, "_s": 1e-3}
_NO_TIMES: Final = ("clock_ms", "jitter_ms", "persist_ms")
"""A resolution; the most of something that is drawn, as other entropy does; and what every event
takes, so that it would move hundreds of times the gap."""
_MACHINE_MS: Final = {
    "start_ms": 20.0,
    "think_ms": 5.0,
    "tool_ms": 5.0,
    "persist_ms": 10.0,
    "publish_ms": 5.0,
    "snapshot_ms": 10.0,
}
"""What a real server on a busy machine takes longer for each of its acts."""
_LOOPBACK_MS: Final = 5.0
"""And a request, each way."""

Path = tuple[str | int, ...]


def neighbours(schedule: Schedule, gap_ms: float) -> Iterator[Schedule]:
    """Schedules whose times differ from this one's by the gap at most, the likeliest to matter
    first.

    All that a machine adds; all times at once, each up or down at random, with other entropy; then
    every single time by the whole gap, up and down. No time is below zero. The same for the same
    schedule.
    """
    times = dict(_times(schedule))
    yield _on_machine(schedule)
    for number, scale in enumerate(SCALES * TOGETHER):
        coin = random.Random(f"{schedule.entropy} {number}")
        moved = schedule
        for path, value in times.items():
            by_ms = coin.choice((-1, 1)) * gap_ms * scale * (coin.random() if scale < 1 else 1.0)
            moved = _set(moved, path, _moved(path, value, by_ms))
        yield replace(moved, entropy=coin.getrandbits(62))
    for path, value in times.items():
        for by_ms in (gap_ms, -gap_ms):
            other = _moved(path, value, by_ms)
            if other != value:
                yield _set(schedule, path, other)


def _times(value: Any, path: Path = ()) -> Iterator[tuple[Path, float]]:
    """Where there are times in it, and which."""
    if is_dataclass(value):
        for entry in fields(value):
            yield from _times(getattr(value, entry.name), (*path, entry.name))
    elif isinstance(value, tuple):
        for index, each in enumerate(value):
            yield from _times(each, (*path, index))
    elif isinstance(value, int | float) and _unit(path) and path[-1] not in _NO_TIMES:
        yield path, value


def _unit(path: Path) -> float | None:
    name = str(path[-1])
    return next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), None)


def _moved(path: Path, value: float, by_ms: float) -> float:
    return round(max(0.0, value + by_ms * (_unit(path) or 0.0)), 6)


def _set(value: Any, path: Path, to: Any) -> Any:
    if not path:
        return to
    first, rest = path[0], path[1:]
    if isinstance(first, int):
        return (*value[:first], _set(value[first], rest, to), *value[first + 1 :])
    return replace(value, **{first: _set(getattr(value, first), rest, to)})


def _on_machine(schedule: Schedule) -> Schedule:
    server, rest = schedule.server, schedule.network.rest
    slower = {name: getattr(server, name) + by_ms for name, by_ms in _MACHINE_MS.items()}
    link = replace(rest, latency_ms=rest.latency_ms + _LOOPBACK_MS)
    return replace(
        schedule,
        server=replace(server, **slower),
        network=replace(schedule.network, rest=link),
    )
