"""The times in a schedule: where they are, and how one is moved."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final

_UNITS: Final = {"_ms": 1.0, "_s": 1e-3}
_NO_TIMES: Final = ("clock_ms", "jitter_ms", "persist_ms")
"""A resolution; the most of something that is drawn, as other entropy does; and what every event
takes, so that moving it moves all that comes later by hundreds of times as much."""

Path = tuple[str | int, ...]
"""Fields by name and elements by number, such as `("network", "faults", 0, "for_ms")`."""


def times_of(value: Any, path: Path = ()) -> Iterator[tuple[Path, float]]:
    """Where there are times in it, and which, in the unit of the field."""
    if is_dataclass(value):
        for entry in fields(value):
            yield from times_of(getattr(value, entry.name), (*path, entry.name))
    elif isinstance(value, tuple):
        for index, each in enumerate(value):
            yield from times_of(each, (*path, index))
    elif isinstance(value, int | float) and _unit(path) and path[-1] not in _NO_TIMES:
        yield path, value


def moved(path: Path, value: float, by_ms: float) -> float:
    """The time there, so many virtual milliseconds later; never below zero."""
    return round(max(0.0, value + by_ms * (_unit(path) or 0.0)), 6)


def put(value: Any, path: Path, to: Any) -> Any:
    """The value with what is at `path` below it replaced."""
    if not path:
        return to
    first, rest = path[0], path[1:]
    if isinstance(first, int):
        return (*value[:first], put(value[first], rest, to), *value[first + 1 :])
    return replace(value, **{first: put(getattr(value, first), rest, to)})


def _unit(path: Path) -> float | None:
    name = str(path[-1])
    return next((unit for ending, unit in _UNITS.items() if name.endswith(ending)), None)
