"""Places in a schedule: one walk over all of them, and what can be done at one."""

from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any, NamedTuple

Path = tuple[str | int, ...]
"""Fields by name and elements by number, such as `("network", "faults", 0, "for_ms")`."""


class Place(NamedTuple):
    path: Path
    value: Any
    default: Any = MISSING
    """That of the field; MISSING for an element of a tuple, and for a field without one."""


def walk(value: Any, path: Path = (), *, into_elements: bool = True) -> Iterator[Place]:
    """Every field below a dataclass and every element of a tuple, each before what is in it.

    Without `into_elements`, the elements of tuples are not entered.
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
    """What is at `path` below the value."""
    for step in path:
        value = value[step] if isinstance(step, int) else getattr(value, step)
    return value


def put(value: Any, path: Path, to: Any) -> Any:
    """The value with what is at `path` below it replaced."""
    if not path:
        return to
    first, rest = path[0], path[1:]
    inner = put(at(value, path[:1]), rest, to)
    if isinstance(first, int):
        return (*value[:first], inner, *value[first + 1 :])
    return replace(value, **{first: inner})


def without(value: Any, path: Path) -> Any:
    """The value without the element of a tuple that is at `path` below it."""
    *above, index = path
    elements = at(value, tuple(above))
    assert isinstance(index, int)
    return put(value, tuple(above), (*elements[:index], *elements[index + 1 :]))


def dotted(path: Path) -> str:
    """`network.faults[0].for_ms`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def parsed(text: str) -> Path:
    """From the dotted form."""
    found: list[str | int] = []
    for part in text.split("."):
        name, _, index = part.partition("[")
        found.append(name)
        if index:
            found.append(int(index.removesuffix("]")))
    return tuple(found)
