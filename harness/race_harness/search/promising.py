"""Finds the pairs of lines at which two stalls are worth trying, after one stall at each line.
Pure.

A pair is promising if different threads came to its lines, neither stall alone made the test fail,
and

- both lines use a common name: an attribute, a global, a variable of an enclosing function; or
- each stall, alone, changed the order of what happened.

Pairs for which both are true come first, then those with a common name.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from race_harness.model.source_line import SourceLine

Course = tuple[tuple[tuple[str, str], ...], ...]
_TIMES: Final = ("at_ms", "for_ms")


@dataclass(frozen=True)
class Stalled:
    """A line at which a stall did not make the test fail."""

    line: SourceLine
    thread: str
    """The thread that came there first."""
    changed: bool
    """Whether the stall changed the order of what happened."""


def promising_pairs(stalled: Sequence[Stalled]) -> list[tuple[SourceLine, SourceLine]]:
    """Return the pairs, most promising first; among equals in the order of their lines."""
    ranked = [
        (rank, one.line, other.line)
        for one, other in combinations(stalled, 2)
        if one.thread != other.thread and (rank := _rank(one, other))
    ]
    ranked.sort(key=lambda pair: -pair[0])
    return [(one, other) for _, one, other in ranked]


def _rank(one: Stalled, other: Stalled) -> int:
    in_common = set(one.line.shared) & set(other.line.shared)
    return 2 * bool(in_common) + (one.changed and other.changed)


def course_of(happenings: Iterable[Mapping[str, Any]]) -> Course:
    """Return what happened, in order, without times and without the stalls themselves."""
    return tuple(
        tuple((name, repr(value)) for name, value in happening.items() if name not in _TIMES)
        for happening in happenings
        if happening["what"] != "line-stalled"
    )
