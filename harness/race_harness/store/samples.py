"""Series of drawn trials as samples that can be compared."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import Final

from race_harness.statistics.counts import Counts
from race_harness.store.schema import PASSED
from race_harness.store.series import SeriesRecord
from race_harness.store.store import Store

MOST_TIMES: Final = 100_000
"""How many trials of a series, from the first, have their times compared: more would find
differences that nobody minds."""


@dataclass(frozen=True)
class Sample:
    """A series of drawn trials in a record."""

    store: Store
    id: int
    position: int
    client: str
    resolved_version: str
    world: str
    server: str
    scenario: str
    seed: int

    def counts(self) -> Counts:
        return Counts(*SeriesRecord(self.store, self.id).counts())

    def passed_apart(self) -> int:
        """How many trials passed with a verdict other than `ok`."""
        (count,) = self.store.execute(
            f"SELECT count(*) FROM trials WHERE series = ? AND verdicts IN {PASSED} "
            "AND verdicts <> 'ok'",
            (self.id,),
        ).fetchone()
        return int(count)

    def outcomes(self) -> Iterator[tuple[int, bool]]:
        """Number of each trial that has a verdict, in order, and whether it passed."""
        rows = self.store.execute(
            f"SELECT number, verdicts IN {PASSED} FROM trials WHERE series = ? AND void IS NULL "
            "ORDER BY number",
            (self.id,),
        )
        return ((number, bool(passed)) for number, passed in rows)

    def schedules(self) -> dict[int, str]:
        """The schedules, as JSON by trial number, that no seed gives."""
        rows = self.store.execute(
            "SELECT number, schedule FROM trials WHERE series = ? AND schedule IS NOT NULL",
            (self.id,),
        )
        return dict(rows.fetchall())

    def batches(self, size: int) -> Iterator[Counts]:
        """How many trials passed in each batch of `size` schedules."""
        rows = self.store.execute(
            f"SELECT sum(verdicts IN {PASSED}), count(*) FROM trials "
            "WHERE series = ? AND void IS NULL GROUP BY number / ? ORDER BY number / ?",
            (self.id, size, size),
        )
        return (Counts(passed, judged) for passed, judged in rows)

    def times(self) -> list[float]:
        """Seconds of `run()` in trials that passed."""
        return [seconds for batch in self.batched_times(MOST_TIMES) for seconds in batch]

    def batched_times(self, size: int) -> Iterator[list[float]]:
        """The same, batch by batch."""
        rows = self.store.execute(
            "SELECT number / ?, virtual_s FROM trials WHERE series = ? "
            f"AND verdicts IN {PASSED} AND void IS NULL ORDER BY number LIMIT ?",
            (size, self.id, MOST_TIMES),
        )
        for _, batch in groupby(rows, key=itemgetter(0)):
            yield [seconds for _, seconds in batch]

    def wall_ms(self) -> float | None:
        """The mean wall milliseconds of a trial."""
        (mean,) = self.store.execute(
            "SELECT avg(wall_ms) FROM trials WHERE series = ?", (self.id,)
        ).fetchone()
        return None if mean is None else float(mean)


def samples(store: Store, campaign: str) -> list[Sample]:
    """The series of a campaign whose schedules were drawn."""
    rows = store.execute(
        "SELECT id, position, client, resolved_version, world, server, scenario, seed FROM series "
        "WHERE campaign = ? AND drawn ORDER BY position, id",
        (campaign,),
    )
    return [Sample(store, *row) for row in rows]
