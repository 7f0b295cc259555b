"""The hunt: Hypothesis searches for schedules that fail, shrinks each distinct failure, goes on.

Failures are kept apart by *cause*: the verdicts and what their evidence says, numbers aside. A
cause that was found counts as a pass from then on, so that the search goes on behind it.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from race_harness.model.evidence import Cause
from race_harness.model.failure import Failure
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule
from race_harness.search import families as fault_families
from race_harness.search.draw import drawing_from_the_seed_alone

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

TURN = 10
"""Schedules of one scenario before it is the next one's turn: the first failure comes early in
a scenario, or late anyway."""

Examine = Callable[[Schedule], Failure]
"""Runs a schedule and keeps all of it, whatever its verdict."""


@dataclass(frozen=True)
class Finding:
    """A distinct failure, shrunk."""

    failure: Failure
    cause: Cause
    found_at_trial: int
    """The trial, counted from one over the whole hunt, in which it was first seen."""
    shrink_executions: int
    seconds: float
    """Wall seconds from the begin of the hunt to the shrunk failure."""


@dataclass
class Tally:
    trials: int = 0
    repeats: int = 0
    """Failures that did not repeat; a hunt reports them as what they are, a broken promise."""
    unfinished: Finding | None = None
    """What was being shrunk when the hunt was interrupted, as small as it was then."""


class _Failed(Exception):
    """Tells Hypothesis that a schedule is one to shrink."""


def hunt(
    scenarios: Sequence[Scenario],
    examine: Examine,
    *,
    seed: int,
    examples: int,
    seconds: float = float("inf"),
    tally: Tally | None = None,
    in_real_time: bool = False,
) -> Iterator[Finding]:
    """Search up to `examples` schedules, or for so many wall seconds; give findings as they come.

    The scenarios take turns. `tally` counts along. `in_real_time`: a trial repeats by its cause,
    not by its digest, and shrinking goes on though a schedule may not fail each time.
    """
    tally = tally if tally is not None else Tally()
    known: set[Cause] = set()
    began = time.monotonic()
    turn = 0
    while tally.trials < examples and time.monotonic() - began < seconds:
        scenario = scenarios[turn % len(scenarios)]
        left = min(TURN, examples - tally.trials)
        search = _Search(scenario, examine, known, tally, began + seconds, in_real_time)
        try:
            search.run(seed * 1_000_003 + turn, left)
        except KeyboardInterrupt:
            tally.unfinished = search.finding(began)
            raise
        finding = search.finding(began)
        if finding is not None:
            known.add(finding.cause)
            yield finding
        turn += 1


class _Search:
    """A turn of one scenario: generate until something new fails, then shrink that alone.

    What fails otherwise meanwhile is left for later turns: shrinking does not slip from one cause
    to another.
    """

    def __init__(
        self,
        scenario: Scenario,
        examine: Examine,
        known: set[Cause],
        tally: Tally,
        deadline: float,
        in_real_time: bool,
    ) -> None:
        self._scenario = scenario
        self._examine = examine
        self._known = known
        self._tally = tally
        self._deadline = deadline
        self._in_real_time = in_real_time
        self._cause: Cause | None = None
        self._first_seen = 0
        self._smallest: Failure | None = None
        self._shrinking = 0

    def run(self, seed: int, examples: int) -> None:
        from hypothesis import HealthCheck, Phase, given, settings
        from hypothesis import seed as hypothesis_seed
        from hypothesis.errors import Flaky

        @hypothesis_seed(seed)
        @settings(
            max_examples=examples,
            phases=[Phase.generate, Phase.shrink],
            database=None,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        )
        @given(self._scenario.schedules())
        def trial(schedule: Schedule) -> None:
            self._try(replace(schedule, scenario=self._scenario.name))

        # What failed was noted as it happened; so was what then did not fail a second time.
        flaky = (Flaky,) if self._in_real_time else ()
        with drawing_from_the_seed_alone(), contextlib.suppress(_Failed, *flaky):
            trial()

    def finding(self, began: float) -> Finding | None:
        """What was found, as small as it is by now."""
        if self._smallest is None or self._cause is None:
            return None
        seconds = time.monotonic() - began
        return Finding(self._smallest, self._cause, self._first_seen, self._shrinking, seconds)

    def _try(self, schedule: Schedule) -> None:
        wanted = self._shrink if self._cause is not None else self._search
        if wanted(schedule):
            # In one place: Hypothesis keeps failures apart by where they are raised.
            raise _Failed

    def _search(self, schedule: Schedule) -> bool:
        """Whether it fails in a way that is new."""
        if time.monotonic() > self._deadline:
            return False
        failure = self._examine(schedule)
        self._tally.trials += 1
        cause = failure.cause
        if not cause or cause in self._known:
            return False
        again = self._examine(schedule)
        repeated = again.cause == cause if self._in_real_time else again.digest == failure.digest
        if not repeated:
            self._tally.repeats += 1
            return False
        self._cause, self._smallest = cause, failure
        self._first_seen = self._tally.trials
        return True

    def _shrink(self, schedule: Schedule) -> bool:
        """Whether it fails in the same way."""
        failure = self._examine(schedule)
        self._shrinking += 1
        same = failure.cause == self._cause
        if same:
            # The last one that Hypothesis tries is the smallest.
            self._smallest = failure
        return same


def add_faults(
    chosen: Sequence[Scenario],
    families: Sequence[str],
    lines: Sequence[tuple[str, str]] = (),
) -> list[Scenario]:
    """The scenarios with faults of these families; without any, a benign one with them.

    `lines` are those of the client's source, function and text, for the family `stalls`.

    Raises:
        UsageError: there is no such family.
    """
    fault_families.check(families)
    name = "+".join(families)
    benign = Scenario(name, "faults alone", partial(_benign, name))
    return [
        replace(one, schedules=partial(_with_faults, one, families, lines))
        for one in chosen or [benign]
    ]


def _benign(name: str) -> "SearchStrategy[Schedule]":
    from hypothesis import strategies as st

    return st.just(Schedule(name))


def _with_faults(
    scenario: Scenario, families: Sequence[str], lines: Sequence[tuple[str, str]]
) -> "SearchStrategy[Schedule]":
    from race_harness.search.strategies import with_faults

    return with_faults(scenario.schedules(), families, lines)
