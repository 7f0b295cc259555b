"""Paths into a schedule: walk over all of its fields, and read, replace or remove one."""

from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any, NamedTuple

Path = tuple[str | int, ...]
"""Fields by name and elements by number, such as `("network", "faults", 0, "for_ms")`."""


class Place(NamedTuple):
    path: Path
    value: Any
    default: Any = MISSING
    """The default of the field; MISSING for an element of a tuple, and for a field without one."""


def walk(value: Any, path: Path = (), *, into_elements: bool = True) -> Iterator[Place]:
    """Yield every field below a dataclass and every element of a tuple, each before its contents.

    Without `into_elements`, yield the elements of tuples, but not their contents.
    """
    if is_dataclass(value):
        places = [
            Place((*path, entry.name), getattr(value, entry.name), entry.default)
            for entry in fields(value)
        ]
    elif isinstance(value, tuple):
        places = [Place((*path, index), each) for index, each in enumerate(value)]
    else:
        return
    for place in places:
        yield place
        if into_elements or not isinstance(place.path[-1], int):
            yield from walk(place.value, place.path, into_elements=into_elements)


def at(value: Any, path: Path) -> Any:
    """Return what is at `path` below the value."""
    for step in path:
        value = value[step] if isinstance(step, int) else getattr(value, step)
    return value


def put(value: Any, path: Path, to: Any) -> Any:
    """Return the value with `to` at `path` below it."""
    if not path:
        return to
    first, rest = path[0], path[1:]
    inner = put(at(value, path[:1]), rest, to)
    if isinstance(first, int):
        return (*value[:first], inner, *value[first + 1 :])
    return replace(value, **{first: inner})


def without(value: Any, path: Path) -> Any:
    """Return the value without the element of a tuple that is at `path` below it."""
    *above, index = path
    elements = at(value, tuple(above))
    assert isinstance(index, int)
    return put(value, tuple(above), (*elements[:index], *elements[index + 1 :]))


def dotted(path: Path) -> str:
    """Return a path as text, such as `network.faults[0].for_ms`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def parsed(text: str) -> Path:
    """Return the path of its dotted form."""
    found: list[str | int] = []
    for part in text.split("."):
        name, _, index = part.partition("[")
        found.append(name)
        if index:
            found.append(int(index.removesuffix("]")))
    return tuple(found)
