"""The hunt: Hypothesis searches for schedules that fail, shrinks each distinct failure, goes on.

Failures are kept apart by *cause*: the verdicts and what their evidence says, numbers aside. A
cause that was found counts as a pass from then on, so that the search goes on behind it.
"""

import contextlib
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed

from harness.campaign.draw import BATCH, drawing_from_the_seed_alone
from harness.failure import Failure
from harness.scenario import Scenario
from harness.schedule import Schedule

Examine = Callable[[Schedule], Failure]
"""Runs a schedule and keeps all of it, whatever its verdict."""


@dataclass(frozen=True)
class Finding:
    """A distinct failure, shrunk."""

    failure: Failure
    cause: str
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


class _Failed(Exception):
    """Each cause gets a subclass: Hypothesis keeps failures apart by class and place."""


def cause_of(failure: Failure) -> str:
    """What makes two failures the same: `late: # events persisted before run() returned`.

    Empty for a trial that passed or is void.
    """
    verdicts = failure.judgement.verdicts
    if verdicts in ((), ("ok",)):
        return ""
    said = (f"{entry.verdict}: {entry.says}" for entry in failure.judgement.evidence)
    # `1 event` and `2 events` are one cause.
    return re.sub(r"\bevents?\b", "events", re.sub(r"\d+(\.\d+)?", "#", "; ".join(said)))


def hunt(
    scenarios: Sequence[Scenario],
    examine: Examine,
    *,
    seed: int,
    examples: int,
    seconds: float = float("inf"),
    tally: Tally | None = None,
) -> Iterator[Finding]:
    """Search up to `examples` schedules, or for so many wall seconds; give findings as they come.

    The scenarios take turns, a batch each. `tally` counts along.
    """
    tally = tally if tally is not None else Tally()
    known: set[str] = set()
    began = time.monotonic()
    batch = 0
    while tally.trials < examples and time.monotonic() - began < seconds:
        scenario = scenarios[batch % len(scenarios)]
        left = min(BATCH, examples - tally.trials)
        search = _Search(scenario, examine, known, tally, began + seconds)
        for finding in search.run(seed * 1_000_003 + batch, left):
            known.add(finding.cause)
            yield replace(finding, seconds=time.monotonic() - began)
        batch += 1


class _Search:
    """One batch of one scenario: generate until something new fails, then shrink it."""

    def __init__(
        self,
        scenario: Scenario,
        examine: Examine,
        known: set[str],
        tally: Tally,
        deadline: float,
    ) -> None:
        self._scenario = scenario
        self._examine = examine
        self._known = known
        self._tally = tally
        self._deadline = deadline
        self._classes: dict[str, type[_Failed]] = {}
        self._first_seen: dict[str, int] = {}
        self._smallest: dict[str, Failure] = {}
        self._shrinking = 0

    def run(self, seed: int, examples: int) -> Iterator[Finding]:
        @hypothesis_seed(seed)
        @settings(
            max_examples=examples,
            phases=[Phase.generate, Phase.shrink],
            database=None,
            deadline=None,
            report_multiple_bugs=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(self._scenario.schedules())
        def trial(schedule: Schedule) -> None:
            self._try(replace(schedule, scenario=self._scenario.name))

        # What failed was noted as it happened.
        with drawing_from_the_seed_alone(), contextlib.suppress(_Failed, ExceptionGroup):
            trial()
        for cause, failure in self._smallest.items():
            yield Finding(failure, cause, self._first_seen[cause], self._shrinking, 0.0)

    def _try(self, schedule: Schedule) -> None:
        if not self._smallest and time.monotonic() > self._deadline:
            return
        failure = self._examine(schedule)
        if self._smallest:
            self._shrinking += 1
        else:
            self._tally.trials += 1
        cause = cause_of(failure)
        if not cause or cause in self._known:
            return
        if cause not in self._first_seen:
            if self._examine(schedule).digest != failure.digest:
                self._tally.repeats += 1
                return
            self._first_seen[cause] = self._tally.trials
        # The last failing schedule that Hypothesis tries of each cause is its smallest one.
        self._smallest[cause] = failure
        if cause not in self._classes:
            self._classes[cause] = type("Failed", (_Failed,), {})
        raise self._classes[cause](cause)
