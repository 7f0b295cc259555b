"""Which chunk comes next, and which series are decided. Pure: it knows counts, not trials.

The series take turns, a batch each, so that a soak that is stopped has seen all of them. Where a
test decides, it looks at a series after each batch, in order, and the next batch begins only then:
so which trials run depends on nothing but the trials themselves.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from race_harness.soak.plan import Plan
from race_harness.statistics.counts import Counts
from race_harness.statistics.sequential import Decision, SequentialTest
from race_harness.store.series import Key


@dataclass
class _Line:
    """A series, and how far it has come."""

    key: Key
    batches: Iterator[int]
    upcoming: int | None
    """Its next batch; None: it has no more."""
    test: SequentialTest | None
    in_flight: int = 0
    counts: Counts = field(default_factory=Counts)
    decision: Decision = "undecided"

    @property
    def is_ready(self) -> bool:
        return self.upcoming is not None and not (self.test and self.in_flight)

    def begin(self) -> int:
        assert self.upcoming is not None
        batch, self.upcoming = self.upcoming, next(self.batches, None)
        self.in_flight += 1
        return batch

    def end(self, counts: Counts) -> None:
        self.in_flight -= 1
        if self.test is None:
            return
        self.counts += counts
        self.decision = self.test.decide(self.counts.passed, self.counts.judged)
        if self.decision != "undecided":
            self.upcoming = None


class Agenda:
    def __init__(self, plan: Plan) -> None:
        self._lines = [self._line(plan, key) for key in plan.keys]
        self._by_key = {line.key: line for line in self._lines}

    @staticmethod
    def _line(plan: Plan, key: Key) -> _Line:
        batches = plan.batches()
        return _Line(key, batches, next(batches, None), plan.test)

    def next(self) -> tuple[Key, int] | None:
        """The series whose turn it is, and its batch, which is in flight from now on.

        None: nothing until a batch in flight ends, or nothing at all.
        """
        ready = [line for line in self._lines if line.is_ready]
        if not ready:
            return None
        # min() takes the first of equals; lines are in the order of turns.
        line = min(ready, key=lambda line: line.upcoming or 0)
        return line.key, line.begin()

    def ahead(self) -> tuple[Key, int] | None:
        """What `next` will give if no series is decided meanwhile."""
        waiting = [line for line in self._lines if line.upcoming is not None]
        if not waiting:
            return None
        line = min(waiting, key=lambda line: line.upcoming or 0)
        return line.key, line.upcoming or 0

    def ended(self, key: Key, counts: Counts) -> None:
        """A batch in flight is done; `counts` are those of all its trials."""
        self._by_key[key].end(counts)

    @property
    def decisions(self) -> Mapping[Key, tuple[Decision, Counts]]:
        """What the test says of each series, with the counts that it has seen."""
        return {line.key: (line.decision, line.counts) for line in self._lines}

    @property
    def is_done(self) -> bool:
        """Whether no batch is left or in flight."""
        return not any(line.in_flight or line.upcoming is not None for line in self._lines)

    @property
    def decided(self) -> int:
        """How many series are decided."""
        return sum(line.decision != "undecided" for line in self._lines)
