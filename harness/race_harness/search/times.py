"""Finds the times in a schedule, and moves one."""

from collections.abc import Iterator
from typing import Any, Final

from race_harness.model.paths import Path, walk

_UNITS: Final = {"_ms": 1.0, "_s": 1e-3}
_NO_TIMES: Final = ("clock_ms", "by_ms", "jitter_ms", "persist_ms", "kbit_s")
"""Fields that are not moved: a resolution; what a clock is set by; the limit of a random delay,
which other entropy varies; the time of every event, which would move everything later by hundreds
of times as much; a bandwidth."""


def times_of(value: Any) -> Iterator[tuple[Path, float]]:
    """Yield the path and the value of each time, in the unit of its field."""
    for path, inner, _ in walk(value):
        if isinstance(inner, int | float) and _unit(path) and path[-1] not in _NO_TIMES:
            yield path, inner


def moved(path: Path, value: float, by_ms: float) -> float:
    """Return a time that is later by that many virtual milliseconds, but never below zero."""
    return round(max(0.0, value + by_ms * (_unit(path) or 0.0)), 6)


def _unit(path: Path) -> float | None:
    name = str(path[-1])
    return next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), None)
