"""The hunt: decides what to try next, and collects what it finds.

Schedules come one after another. Their trials end in any order, side by side with trials that
shrink failures. The hunt looks at the results in the order of the schedules and shrinks each
failure separately, so that what it finds does not depend on how many trials run at once.

Failures are distinguished by their *cause*, which is the verdicts and what their evidence says
without its numbers, and by what their schedules need. A failure that known ones explain is not
shrunk.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from race_harness.model.evidence import Cause, Evidence
from race_harness.model.failure import Failure
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import TrialResult
from race_harness.search.chase import BUDGET, Came, Chase, Ending, Finding
from race_harness.search.explaining import SeenFailure, Ways

SHARE: Final = 0.5
"""The largest share of the trials' time that goes to shrinking while there are schedules to
search.
"""


@dataclass(frozen=True)
class NextTrial:
    """A trial that the hunt asks for."""

    number: int
    schedule: Schedule
    whole: Literal["causes", "failed"] | None
    """Which failures are wanted whole; see `workers.protocol`."""
    limit_s: float | None = None
    """Virtual seconds after which it counts as hung; None: the usual limit."""


@dataclass
class Tally:
    trials: int = 0
    """Schedules that were searched."""
    shrinking: int = 0
    """Other trials: to repeat, to shrink, to look for what would pass."""
    repeats: int = 0
    """Failures that did not repeat. A hunt reports them, since the simulation promises that they
    repeat."""
    trials_ms: float = 0.0
    """Wall time of all trials in their workers."""
    shrinking_ms: float = 0.0
    """The part of it that was not for the search."""


class Hunting:
    """Decides what to try next from the results so far. It runs nothing itself.

    Args:
        schedules: the schedules to search, in this order.
        seconds: wall seconds from the first question on. After that no trial begins, except to see
            a new failure a second time.
        budget: trials for shrinking one failure.
        in_real_time: a failure repeats by its cause, not by its digest, and shrinking goes on even
            if a schedule does not fail each time; nothing looks for what would pass.
    """

    def __init__(
        self,
        schedules: Iterator[Schedule],
        *,
        seconds: float = float("inf"),
        budget: int = BUDGET,
        tally: Tally | None = None,
        in_real_time: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tally = tally if tally is not None else Tally()
        self._schedules = schedules
        self._seconds = seconds
        self._budget = budget
        self._in_real_time = in_real_time
        self._now = now
        self._began: float | None = None
        self._numbers = 0
        self._under_way: dict[int, tuple[Schedule, Chase | None]] = {}
        self._in_order: deque[int] = deque()
        """Trials of the search whose results are not handled yet."""
        self._came: dict[int, Failure | None] = {}
        """The results of those that have ended."""
        self._ways: dict[Cause, Ways] = {}
        self._kinds: set[Evidence] = set()
        self._chases: dict[Cause, Chase] = {}

    def ask(self) -> NextTrial | None:
        """Return the next trial; None if there is none before others have ended, or none at
        all."""
        if self._began is None:
            self._began = self._now()
        chase = min(
            (one for one in self._chases.values() if one.wanted is not None and self._may(one)),
            key=lambda one: one.priority,
            default=None,
        )
        has_its_share = self.tally.shrinking_ms > SHARE * self.tally.trials_ms
        if (chase is None or has_its_share) and (searched := self._next_schedule()) is not None:
            whole: Literal["causes", "failed"] = "failed" if self._in_real_time else "causes"
            self._numbers += 1
            self._under_way[self._numbers] = searched, None
            self._in_order.append(self._numbers)
            return NextTrial(self._numbers, searched, whole)
        if chase is None or chase.wanted is None:
            return None
        wanted, chase.wanted = chase.wanted, None
        self._numbers += 1
        self._under_way[self._numbers] = wanted.schedule, chase
        return NextTrial(self._numbers, *wanted)

    def schedule_of(self, number: int) -> Schedule:
        """Return the schedule of a trial that is running."""
        return self._under_way[number][0]

    def came(self, result: TrialResult, failure: Failure | None) -> Finding | None:
        """Take the result of a trial; return the finding that it completes, if any.

        Raises:
            WorldBroken: a failure, or the passing schedule close to it, did not repeat.
        """
        _, chase = self._under_way.pop(result.index)
        self.tally.trials_ms += result.wall_ms
        if chase is None:
            self._came[result.index] = failure
            self._look_at_searched()
            return None
        self.tally.shrinking += 1
        self.tally.shrinking_ms += result.wall_ms
        chase.came(Came(result, failure))
        return self._end(chase) if chase.over else None

    def left(self, ending: Ending) -> list[Finding]:
        """Return, when the hunt stops early, the failures with new causes and those that were
        being shrunk, as findings."""
        seen = [
            chase
            for chase in self._chases.values()
            if chase.sure or (not self._in_real_time and chase.again == 0)
        ]
        seconds = self._elapsed()
        return [
            chase.finding(seconds, ending) for chase in sorted(seen, key=lambda one: one.number)
        ]

    def _next_schedule(self) -> Schedule | None:
        return None if self._is_late() else next(self._schedules, None)

    def _may(self, chase: Chase) -> bool:
        return not self._is_late() or not (chase.sure or chase.again)

    def _is_late(self) -> bool:
        return self._elapsed() >= self._seconds

    def _elapsed(self) -> float:
        return 0.0 if self._began is None else self._now() - self._began

    def _look_at_searched(self) -> None:
        while self._in_order and self._in_order[0] in self._came:
            failure = self._came.pop(self._in_order.popleft())
            self.tally.trials += 1
            if failure is None or not failure.cause:
                continue
            ways = self._ways.setdefault(failure.cause, Ways())
            ways.add(SeenFailure(self.tally.trials, failure))
            self._chase_next(failure.cause)

    def _chase_next(self, cause: Cause) -> None:
        """Begin to chase the next failure of a cause. Only one is chased at a time, since it may
        explain the next."""
        ways = self._ways[cause]
        if cause in self._chases or (seen := ways.next()) is None:
            return
        self._chases[cause] = Chase(
            seen,
            budget=self._budget,
            in_real_time=self._in_real_time,
            again=ways.found,
            of_known_kinds=self._kinds.issuperset(cause.kinds),
        )
        self._kinds.update(cause.kinds)

    def _end(self, chase: Chase) -> Finding | None:
        del self._chases[chase.cause]
        finding = None
        if chase.sure:
            finding = chase.finding(self._elapsed(), "smallest")
            self._ways[chase.cause].explain(finding.failure.schedule)
        else:
            self.tally.repeats += 1
            self._ways[chase.cause].give_up(chase.failure.schedule)
        self._chase_next(chase.cause)
        return finding
