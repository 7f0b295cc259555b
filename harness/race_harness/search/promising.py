"""Which pairs of lines are worth being stalled at together, after each was stalled at alone. Pure.

A pair is promising if different threads came to its lines, neither lost the race alone, and

- they work on a name in common: an attribute, a global, a variable of an enclosing function; or
- each of them, stalled alone, changed the order of what happened.

Pairs of which both is true come first, then those with a common name.
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
    """A line at which a stall did not lose the race."""

    line: SourceLine
    thread: str
    """Which thread came there first."""
    changed: bool
    """Whether what happened came in another order than without the stall."""


def promising_pairs(stalled: Sequence[Stalled]) -> list[tuple[SourceLine, SourceLine]]:
    """The most promising first; among equals in the order of their lines."""
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
    """What happened, in order, without its times and without the stalls."""
    return tuple(
        tuple((name, repr(value)) for name, value in happening.items() if name not in _TIMES)
        for happening in happenings
        if happening["what"] != "line-stalled"
    )
