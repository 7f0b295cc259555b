"""The loop's state: hands out chunks, writes down each trial as it ends, keeps what is new.

Nothing of a trial stays in memory: what a soak knows is in the record.
"""

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from harness.campaign.campaign import FAILURES, keep
from harness.campaign.sequential import Decision
from harness.failure import Failure
from harness.soak.agenda import Agenda, Counts
from harness.soak.bench import Chunk
from harness.soak.plan import Key, Plan
from harness.store.series import SeriesRecord
from harness.verdict import TrialResult

MOST_CAUSES: Final = 20
"""Failures that are kept whole in a series; who has twenty causes does not lack the next one."""


@dataclass
class _Open:
    """A chunk in flight."""

    missing: set[int]
    kept: dict[str, tuple[int, Path]] = field(default_factory=dict)
    """By their causes, the failures of this chunk that were new."""


class Soak:
    """The work of a plan, or of what is left of it.

    `records` has a series for each key of the plan; `until` is when time is up, by `clock` (wall
    seconds). `on_result` hears of each trial when it has been recorded.
    """

    def __init__(
        self,
        plan: Plan,
        records: Mapping[Key, SeriesRecord],
        *,
        until: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
        on_result: Callable[[Key, TrialResult], None] = lambda _key, _result: None,
        failures: Path = FAILURES,
    ) -> None:
        self._plan = plan
        self._records = records
        self._until = until
        self._clock = clock
        self._on_result = on_result
        self._failures = failures
        self._agenda = Agenda(plan)
        self._open: dict[tuple[Key, int], _Open] = {}
        self._causes = {key: record.causes() for key, record in records.items()}

    def take(self) -> Chunk | None:
        while not self.over and (wanted := self._agenda.next()) is not None:
            key, batch = wanted
            numbers = self._plan.numbers(batch)
            there = self._records[key].numbers(numbers)
            if missing := [number for number in numbers if number not in there]:
                self._open[wanted] = _Open(set(missing))
                return Chunk(key, self._plan.seed, batch, tuple(missing))
            self._end(key, batch)
        return None

    def hear(self, chunk: Chunk, result: TrialResult, failure: Failure | None = None) -> None:
        opened = self._open.get((chunk.key, chunk.batch))
        if opened is None or result.index not in opened.missing:
            return  # It has been heard of, from a worker that was given up.
        record = self._records[chunk.key]
        if failure is None:
            record.trial(result)
        else:
            with record.writing():
                record.trial(result)
                self._keep(chunk.key, opened, result.index, failure)
        self._on_result(chunk.key, result)
        opened.missing.remove(result.index)
        if not opened.missing:
            del self._open[chunk.key, chunk.batch]
            self._end(chunk.key, chunk.batch)

    def ahead(self) -> tuple[str, int] | None:
        wanted = self._agenda.ahead()
        return wanted and (wanted[0].scenario, wanted[1])

    @property
    def over(self) -> bool:
        return self._clock() >= self._until

    @property
    def decisions(self) -> Mapping[Key, tuple[Decision, Counts]]:
        """What the test says of each series at the end of its last whole batch."""
        return self._agenda.decisions

    def _end(self, key: Key, batch: int) -> None:
        self._agenda.ended(key, Counts(*self._records[key].counts(self._plan.numbers(batch))))

    def _keep(self, key: Key, opened: _Open, number: int, failure: Failure) -> None:
        """Keep the first failure of each cause: of those that were at work at once, that with the
        lowest number, whichever came first."""
        cause, causes, record = failure.cause, self._causes[key], self._records[key]
        later = opened.kept.get(cause)
        if later is not None and number < later[0]:
            record.forget_failure(later[0])
            later[1].unlink(missing_ok=True)
        elif cause in causes or len(causes) >= MOST_CAUSES:
            return
        causes.add(cause)
        opened.kept[cause] = number, keep(failure, self._failures, record)
