"""The state of a soak's loop: hands out chunks, records each trial as it ends, keeps new failures.

Nothing of a trial stays in memory: what a soak knows is in the record.
"""

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from race_harness.campaign.campaign import FAILURES, keep
from race_harness.model.failure import Failure
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import TrialResult
from race_harness.search.draw import repetition
from race_harness.soak.agenda import Agenda
from race_harness.soak.bench import Chunk
from race_harness.soak.plan import Plan
from race_harness.statistics.counts import Counts
from race_harness.statistics.sequential import Decision
from race_harness.store.series import Key, SeriesRecord

MOST_CAUSES: Final = 20
"""Failures of a series that are kept whole; with twenty causes, nobody needs another."""


class Soak:
    """The work of a plan, or of what is left of it.

    `records` has a series for each key of the plan; `until` is when time is up, by `clock` (wall
    seconds). `on_result` gets each trial after it has been recorded.

    Raises:
        UsageError: the record or a failure file cannot be written; from any method.
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
        self._missing: dict[tuple[Key, int], set[int]] = {}
        """Trials of the chunks in flight that have not been reported yet."""
        self._causes = {key: record.causes() for key, record in records.items()}

    def take(self) -> Chunk | None:
        while not self.over and (wanted := self._agenda.next()) is not None:
            key, batch = wanted
            numbers = self._plan.numbers(batch)
            there = self._records[key].numbers(numbers)
            if missing := [number for number in numbers if number not in there]:
                self._missing[wanted] = set(missing)
                return Chunk(key, self._plan.seed, batch, tuple(missing))
            self._end(key, batch)
        return None

    def hear(
        self,
        chunk: Chunk,
        result: TrialResult,
        failure: Failure | None = None,
        schedule: Schedule | None = None,
    ) -> None:
        missing = self._missing.get((chunk.key, chunk.batch), set())
        if result.index not in missing:
            return  # A worker that was given up has reported it already.
        record, given = self._records[chunk.key], self._plan.schedule
        # A schedule that no seed gives is kept with each trial.
        kept = None if given is None else repetition(given, self._plan.seed, result.index)
        if chunk.key.scenario in self._plan.sources:
            kept = schedule
        if failure is None:
            record.trial(result, kept)
        else:
            with record.writing():
                record.trial(result, kept)
                self._keep(chunk.key, result.index, failure)
        self._on_result(chunk.key, result)
        missing.remove(result.index)
        if not missing:
            del self._missing[chunk.key, chunk.batch]
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

    @property
    def is_done(self) -> bool:
        """Whether no trial is left to run."""
        return self._agenda.is_done

    @property
    def decided(self) -> int:
        """How many series the test has decided."""
        return self._agenda.decided

    def _end(self, key: Key, batch: int) -> None:
        self._agenda.ended(key, Counts(*self._records[key].counts(self._plan.numbers(batch))))

    def _keep(self, key: Key, number: int, failure: Failure) -> None:
        """Keep the failure with the lowest number of each cause, whichever comes first."""
        cause, causes, record = str(failure.cause), self._causes[key], self._records[key]
        if cause in causes:
            later, path = causes[cause]
            if number > later:
                return
            record.forget_failure(later)
            # A record may come from another user, and name files that are not ours to remove.
            if path is not None and path.parent == self._failures:
                path.unlink(missing_ok=True)
        elif len(causes) >= MOST_CAUSES:
            return
        causes[cause] = number, keep(failure, self._failures, record)
