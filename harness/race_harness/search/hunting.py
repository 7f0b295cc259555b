"""The hunt: what is to be tried next, and what was found.

Schedules come one after another, and their trials end in any order, side by side with those that
shrink what was found. What came of the schedules is looked at in their own order, and each failure
is shrunk by itself, so that what is found does not depend on how many trials run at once.

Failures are kept apart by *cause*, which is the verdicts and what their evidence says, numbers
aside; and by what their schedules need. One that the known ones explain is not shrunk.
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
"""Of the time of the trials goes to shrinking, at most, while there are schedules to search."""


@dataclass(frozen=True)
class NextTrial:
    """A trial that the hunt asks for."""

    number: int
    schedule: Schedule
    whole: Literal["causes", "failed"] | None
    """Of which trials all is wanted, as `workers.protocol` has it."""
    limit_s: float | None = None
    """When it has hung; None: as always."""


@dataclass
class Tally:
    trials: int = 0
    """Schedules that were searched."""
    shrinking: int = 0
    """Trials besides: to repeat, to shrink, to look for what would pass."""
    repeats: int = 0
    """Failures that did not repeat; a hunt reports them as what they are, a broken promise."""
    trials_ms: float = 0.0
    """Wall time of all trials in their workers."""
    shrinking_ms: float = 0.0
    """Of that, what was not for the search."""


class Hunting:
    """Decides what to try next from the results so far. It runs nothing itself.

    Args:
        schedules: what is searched, in this order.
        seconds: wall seconds, from the first question on. Then nothing begins any more, except to
            see what was found a second time.
        budget: trials for shrinking one failure.
        in_real_time: a trial repeats by its cause, not by its digest, and shrinking goes on though
            a schedule may not fail each time; nobody looks for what would pass.
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
        """Trials of the search that were not looked at yet."""
        self._came: dict[int, Failure | None] = {}
        """What came of those of them that have ended."""
        self._ways: dict[Cause, Ways] = {}
        self._kinds: set[Evidence] = set()
        self._chases: dict[Cause, Chase] = {}

    def ask(self) -> NextTrial | None:
        """The next trial; None: there is none before others have ended, or none any more."""
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
        """The schedule of a trial that is under way."""
        return self._under_way[number][0]

    def came(self, result: TrialResult, failure: Failure | None) -> Finding | None:
        """Take the result of a trial; return what it completes, if anything.

        Raises:
            WorldBroken: a failure did not repeat beside what would pass.
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
        """What was seen of new causes, and all that was being shrunk, when nothing more is asked
        for."""
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
        """One failure of a cause after another: the next may be explained by this one."""
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
