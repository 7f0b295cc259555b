"""Finds the nearest passing neighbour of a failing schedule, which shows what the failure hinges
on.

It changes one field at a time. If the schedule passes with a field at its benign default, that
field is bisected down to the finest step that scenarios draw. Its distance is how far it had to
move, as a share of the way to its default; the least distance is the answer. Bisection finds *a*
border between passing and failing; if a field has several, there may be a nearer one.
"""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from race_harness.model.errors import HarnessError, WorldBroken
from race_harness.model.paths import Path, at, dotted, parsed, put, walk, without
from race_harness.model.schedule import Schedule

_DECIMALS: Final = 1
"""How many decimals a bisected field gets if it is no whole number, as when it is drawn."""
_NAMES: Final = ("code", "status")
"""Numbers that name something, so that there is nothing between two of them."""


class AlreadyPasses(HarnessError):
    """The schedule does not fail, perhaps because the client has changed since."""


@dataclass(frozen=True)
class Neighbour:
    """A schedule that passes and differs from a failing one in one field only."""

    path: str
    """Such as `network.socket.latency_ms`, or `network.faults[0]` for a whole fault."""
    failing: Any
    passing: Any
    still_failing: Any
    """The value closest to `passing` that was seen to fail; `failing` itself if no value between
    them was."""
    distance: float
    """How far the field moved: from 0, not at all, to 1, all the way to its benign default."""
    schedule: Schedule
    tries: int
    """Trials that were run, the repetition at the end included."""


def nearest_passing(
    schedule: Schedule, passes: Callable[[Schedule], bool], tries: int = 60
) -> Neighbour | None:
    """Search with at most `tries` calls of `passes`; None: no single change was seen to pass.

    Before it returns, it checks once more that the neighbour passes and the schedule fails.

    Raises:
        AlreadyPasses: the schedule passes as it is.
        WorldBroken: one of the two did not repeat.
    """
    steps = neighbour_steps(schedule, tries)
    candidate = next(steps)
    while True:
        try:
            candidate = steps.send(passes(candidate))
        except StopIteration as end:
            found: Neighbour | None = end.value
            return found


def neighbour_steps(
    schedule: Schedule, tries: int = 60
) -> Generator[Schedule, bool, Neighbour | None]:
    """Do the same as a generator, for a caller that runs the trials: it yields schedules, and must
    be sent whether each passes."""
    left = _Tries(tries - 2)  # Two are kept for the repetition.
    # If a seed orders a test's threads, changing a time draws another order, which shows nothing.
    drawn = schedule.test is not None and schedule.interleaving.seed is not None
    if (yield from left.passes(schedule)):
        raise AlreadyPasses("the schedule passes as it is: no neighbour needs to be searched")
    candidates: list[_Change] = []
    for change in _changes(schedule):
        if (drawn and change.is_of_number) or not left.any():
            continue
        if (yield from left.passes(change.applied(change.benign))):
            candidates.append(change)
    if not candidates:
        return None
    while left.any() and (open_ones := _worth_bisecting(candidates)):
        yield from open_ones[0].halve(left)
    best = min(candidates, key=lambda change: change.distance)
    neighbour = best.applied(best.passing)
    if not (yield neighbour) or (yield schedule):
        raise WorldBroken(f"{schedule.scenario} did not repeat with {best.path} changed")
    return Neighbour(
        path=best.path,
        failing=best.value,
        passing=best.passing,
        still_failing=best.failing,
        distance=best.distance,
        schedule=neighbour,
        tries=left.used + 2,
    )


class _Tries:
    """Counts the trials."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.used = 0

    def any(self) -> bool:
        return self.used < self._limit

    def passes(self, schedule: Schedule) -> Generator[Schedule, bool, bool]:
        self.used += 1
        return (yield schedule)


class _Change:
    """One field that could have another value, and how near to the original it is known to
    pass."""

    def __init__(
        self, path: str, value: Any, benign: Any, applied: Callable[[Any], Schedule]
    ) -> None:
        self.path = path
        self.value = value
        self.benign = benign
        self.applied = applied
        self.failing = value
        self.passing = benign

    @property
    def is_of_number(self) -> bool:
        """Whether there may be values between its own and the benign one."""
        return _is_number(self.value) and _is_number(self.benign)

    @property
    def distance(self) -> float:
        """The distance of the nearest value that is known to pass."""
        return self._distance(self.passing)

    @property
    def at_best(self) -> float:
        """The least distance that is still possible."""
        return self._distance(self.failing)

    def middle(self) -> Any:
        """Return the value to try next; None if there is none left."""
        if not self.is_of_number:
            return None
        middle = (self.failing + self.passing) / 2
        whole = isinstance(self.value, int)
        middle = int(middle) if whole else round(middle, _DECIMALS)
        between = min(self.failing, self.passing) < middle < max(self.failing, self.passing)
        return middle if between else None

    def halve(self, left: _Tries) -> Generator[Schedule, bool]:
        middle = self.middle()
        if (yield from left.passes(self.applied(middle))):
            self.passing = middle
        else:
            self.failing = middle

    def _distance(self, value: Any) -> float:
        if not self.is_of_number:
            return float(value != self.value)
        return float(abs(value - self.value) / abs(self.benign - self.value))


def _worth_bisecting(changes: list[_Change]) -> list[_Change]:
    """Return the changes that may still turn out nearest, the most promising first."""
    best = min(change.distance for change in changes)
    return sorted(
        (change for change in changes if change.middle() is not None and change.at_best < best),
        key=lambda change: (change.at_best, change.distance),
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _changes(schedule: Schedule) -> Iterator[_Change]:
    """Yield every single step towards the benign schedule, field by field and fault by fault."""
    benign = Schedule(schedule.scenario)
    for path, value in schedule.non_default_fields().items():
        if path == "counterfactual":
            continue  # It only permits what other fields ask for.
        place = parsed(path)
        if isinstance(place[-1], int):
            yield from _element_changes(schedule, place, value)
        else:
            yield _Change(path, value, at(benign, place), partial(put, schedule, place))


def _element_changes(schedule: Schedule, path: Path, element: Any) -> Iterator[_Change]:
    """Yield the removal of a fault, act or stall, and the steps that make its numbers benign."""
    yield _Change(dotted(path), element, None, lambda _none: without(schedule, path))
    for inner, value, default in walk(element):
        if (
            inner[-1] not in _NAMES
            and _is_number(value)
            and _is_number(default)
            and value != default
        ):
            applied = partial(put, schedule, (*path, *inner))
            yield _Change(dotted((*path, *inner)), value, default, applied)
