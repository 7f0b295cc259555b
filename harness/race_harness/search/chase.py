"""Turns one failure into a finding: repeats it, shrinks it, and looks for what would pass."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from race_harness.model.evidence import Cause
from race_harness.model.failure import Failure
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import TrialResult
from race_harness.search.explaining import SeenFailure
from race_harness.search.neighbour import Neighbour, neighbour_steps
from race_harness.search.shrinking import smaller

BUDGET: Final = 80
"""Trials for shrinking one failure."""
_NEIGHBOUR_TRIES: Final = 30
"""The most trials that look for what would pass."""
_HANG_S: Final = 75.0
"""Virtual seconds after which a trial counts as hung while a hang is shrunk, instead of some
hundred: a client with two timeouts of 30 s has gone on by then. The smallest schedule is tried
again with all the time that a trial usually has."""

Ending = Literal["smallest", "budget", "time", "interrupt"]
"""Why shrinking ended: nothing smaller was left; the budget of trials was used up; the time was
up; the hunt was interrupted."""


@dataclass(frozen=True)
class Finding:
    """A distinct failure, shrunk."""

    failure: Failure
    cause: Cause
    found_at_trial: int
    """The schedule in which it was first seen, counted from one over the whole hunt."""
    shrink_executions: int
    seconds: float
    """Wall seconds from the beginning of the hunt to the shrunk failure."""
    ending: Ending = "smallest"
    neighbour: Neighbour | None = None
    """A schedule close to it that passes; None if none was found."""
    looked_around: bool = False
    """Whether the hunt looked for such a schedule."""


class Came(NamedTuple):
    """The result of a trial."""

    result: TrialResult
    failure: Failure | None
    """None: the trial did not fail, or was void."""

    @property
    def cause(self) -> Cause:
        return Cause() if self.failure is None else self.failure.cause


class ChaseStep(NamedTuple):
    schedule: Schedule
    whole: Literal["failed"] | None = None
    """Whether the whole failure is wanted if it fails."""
    limit_s: float | None = None
    """Virtual seconds after which it counts as hung, if sooner than usual."""


class Chase:
    """Asks for one trial after another.

    `again`: how many failures of this cause were found before.
    """

    def __init__(
        self,
        seen: SeenFailure,
        *,
        budget: int,
        in_real_time: bool,
        again: int,
        of_known_kinds: bool,
    ) -> None:
        self.number: Final = seen.number
        self.again: Final = again
        self.failure = seen.failure
        """The failure, as small as it is by now. It may lack its happenings until it is `sure`."""
        self.cause: Final = seen.failure.cause
        self.sure = False
        """Whether the failure has repeated."""
        self.over = False
        self._of_known_kinds = of_known_kinds
        self._budget = budget
        self._in_real_time = in_real_time
        self._ending: Ending | None = None
        self._shrinking = 0
        self._smallest = seen.failure.schedule
        self._limit_s: float | None = None
        self._cost_ms = 0.0
        self._neighbour: Neighbour | None = None
        self._looked_around = False
        self._course = self._run()
        self.wanted: ChaseStep | None = next(self._course)
        """The next trial; None while that trial is running."""

    @property
    def priority(self) -> tuple[object, ...]:
        """The chase with the least goes first: one that has yet to repeat, a new cause, new kinds
        of evidence, cheap trials."""
        return self.sure, self.again, self._of_known_kinds, self._cost_ms, self.number

    def came(self, came: Came) -> None:
        try:
            self.wanted = self._course.send(came)
        except StopIteration:
            self.over = True

    def finding(self, seconds: float, otherwise: Ending) -> Finding:
        """Return the finding. `otherwise` is why it ends, if the chase has not ended itself."""
        return Finding(
            self.failure,
            self.cause,
            self.number,
            self._shrinking,
            seconds,
            self._ending or otherwise,
            self._neighbour,
            self._looked_around,
        )

    def _run(self) -> Generator[ChaseStep, Came]:
        came = yield ChaseStep(self.failure.schedule, "failed")
        if came.failure is None or not self._repeats(came):
            return
        self._keep(came)
        self.sure = True
        yield from self._shrink()
        if not self._in_real_time:
            yield from self._look_around()

    def _repeats(self, came: Came) -> bool:
        if self._in_real_time:
            return came.cause == self.cause
        return came.result.digest == self.failure.digest

    def _keep(self, came: Came) -> None:
        assert came.failure is not None
        self.failure, self._cost_ms = came.failure, came.result.wall_ms

    def _shrink(self) -> Generator[ChaseStep, Came]:
        seen = self.failure.schedule
        hangs = any(kind.verdict == "hang" for kind in self.cause.kinds)
        self._limit_s = _HANG_S if hangs and not self._in_real_time else None
        yield from self._make_smaller()
        if self._limit_s is None or self._smallest == seen:
            return
        came = yield ChaseStep(self._smallest, "failed")
        if came.cause == self.cause:
            self._keep(came)
            return
        # It did not hang but only took long: shrink again, with the usual time.
        self._limit_s = None
        yield from self._make_smaller()

    def _make_smaller(self) -> Generator[ChaseStep, Came]:
        self._smallest = self.failure.schedule
        steps = smaller(self._smallest)
        candidate = next(steps, None)
        while candidate is not None:
            if self._shrinking >= self._budget:
                self._ending = "budget"
                return
            came = yield ChaseStep(candidate, "failed", self._limit_s)
            self._shrinking += 1
            same = came.cause == self.cause
            if same:
                self._smallest = candidate
                if self._limit_s is None:
                    self._keep(came)
            try:
                candidate = steps.send(same)
            except StopIteration:
                candidate = None
        self._ending = "smallest"

    def _look_around(self) -> Generator[ChaseStep, Came]:
        steps = neighbour_steps(self.failure.schedule, _NEIGHBOUR_TRIES)
        schedule = next(steps)
        while True:
            came = yield ChaseStep(schedule, limit_s=self._limit_s)
            try:
                schedule = steps.send(came.result.void is None and came.result.passed)
            except StopIteration as end:
                self._neighbour, self._looked_around = end.value, True
                return
