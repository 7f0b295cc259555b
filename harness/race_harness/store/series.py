"""The trials of one scenario on one client, as the record holds them."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import astuple, dataclass
from pathlib import Path
from sqlite3 import Cursor
from typing import Any, NamedTuple, Protocol

from race_harness.model.failure import Failure
from race_harness.model.outcome import Void
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import TrialResult
from race_harness.store.schema import PASSED


class Written(Protocol):
    """What a series needs of its store."""

    def execute(self, sql: str, values: tuple[Any, ...] = ()) -> Cursor: ...

    def writing(self) -> AbstractContextManager[None]: ...


@dataclass(frozen=True)
class Series:
    """What all trials of a series share; the columns of the table, in their order."""

    position: int
    """The client's position among those that the campaign names, from 0."""
    client: str
    resolved_version: str
    world: str
    server: str
    server_version: str
    """The server's release, or the one that the fake server plays; empty if it has no version."""
    scenario: str
    seed: int
    drawn: bool
    """Whether the schedules are a sample drawn from the seed. Those that were searched for or
    given are recorded as well, and in no pass rate."""
    reps: int | None = None

    def columns(self) -> tuple[Any, ...]:
        return astuple(self)


class Key(NamedTuple):
    """One series of a campaign: a scenario, and a client by its position among those named."""

    scenario: str
    position: int


class SeriesRecord:
    def __init__(self, store: Written, number: int) -> None:
        self._store = store
        self.id = number

    def trial(self, result: TrialResult, schedule: Schedule | None = None) -> None:
        """Record a trial under its index; an existing trial of that index stays.

        `schedule`: its schedule, unless scenario, seed and index give it.
        """
        self._insert(result.index, result, schedule)

    def next_trial(self, result: TrialResult, schedule: Schedule) -> int:
        """Record a trial under the next free number, and return that."""
        with self._store.writing():
            number = self._next()
            self._insert(number, result, schedule)
        return number

    def batch(self, schedules: Sequence[Schedule]) -> Callable[[TrialResult], None]:
        """A function that records each trial as it ends, in any order: its number is the first one
        that is free now, plus its index, which is also that of its schedule."""
        first = self._next()

        def ended(result: TrialResult) -> None:
            self._insert(first + result.index, result, schedules[result.index])

        return ended

    def failure(self, failure: Failure, path: Path | None = None) -> None:
        """Keep the failure of a trial of this series whole; a later call replaces it.

        `path`: the path of its file. The trial is the first one with the failure's digest.
        """
        self._store.execute(
            "INSERT INTO failures (series, number, cause, path, document) "
            "SELECT series, min(number), ?, ?, ? FROM trials WHERE (series, digest) = (?, ?) "
            "GROUP BY series "
            "ON CONFLICT (series, number) DO UPDATE SET "
            "cause = excluded.cause, path = excluded.path, document = excluded.document",
            (
                *(str(failure.cause), str(path) if path else None, json.dumps(failure.to_dict())),
                *(self.id, failure.digest),
            ),
        )

    def forget_failure(self, number: int) -> None:
        """No longer keep the failure of this trial whole; the trial stays."""
        self._store.execute(
            "DELETE FROM failures WHERE (series, number) = (?, ?)", (self.id, number)
        )

    def causes(self) -> dict[str, tuple[int, Path | None]]:
        """The causes of the kept failures, each with its first trial and the path of its file."""
        rows = self._store.execute(
            "SELECT cause, number, path FROM failures WHERE series = ? ORDER BY number DESC",
            (self.id,),
        )
        return {cause: (number, Path(path) if path else None) for cause, number, path in rows}

    def failures(self) -> Iterator[tuple[Failure, Path | None]]:
        """The kept failures, in the order of their trials, with the paths of their files."""
        rows = self._store.execute(
            "SELECT document, path FROM failures WHERE series = ? ORDER BY number", (self.id,)
        )
        for document, path in rows.fetchall():
            yield Failure.from_json(document, f"series {self.id}"), Path(path) if path else None

    def __len__(self) -> int:
        (count,) = self._store.execute(
            "SELECT count(*) FROM trials WHERE series = ?", (self.id,)
        ).fetchone()
        return int(count)

    def numbers(self, within: range | None = None) -> set[int]:
        """The numbers of the recorded trials, of all or of these."""
        rows = self._store.execute(
            "SELECT number FROM trials WHERE series = ? AND number >= ? AND number < ?",
            (self.id, *_bounds(within)),
        )
        return {number for (number,) in rows}

    def counts(self, within: range | None = None) -> tuple[int, int]:
        """How many trials passed, and how many had a verdict, of all or of these."""
        (passed, judged) = self._store.execute(
            f"SELECT ifnull(sum(verdicts IN {PASSED}), 0), count(*) FROM trials "
            "WHERE series = ? AND number >= ? AND number < ? AND void IS NULL",
            (self.id, *_bounds(within)),
        ).fetchone()
        return passed, judged

    def writing(self) -> AbstractContextManager[None]:
        """A transaction, for rows that must be there together or not at all."""
        return self._store.writing()

    def results(self) -> Iterator[TrialResult]:
        """Its trials in the order of their numbers."""
        rows = self._store.execute(
            "SELECT number, verdicts, digest, virtual_s, wall_ms, void_kind, void, undone "
            "FROM trials WHERE series = ? ORDER BY number",
            (self.id,),
        )
        for number, verdicts, digest, virtual_s, wall_ms, kind, reason, undone in rows:
            void = None if kind is None else Void(kind, reason)
            several = tuple(verdicts.split())
            yield TrialResult(number, several, digest, virtual_s, wall_ms, void, undone)

    def _next(self) -> int:
        (number,) = self._store.execute(
            "SELECT ifnull(max(number) + 1, 0) FROM trials WHERE series = ?", (self.id,)
        ).fetchone()
        return int(number)

    def _insert(self, number: int, result: TrialResult, schedule: Schedule | None) -> None:
        self._store.execute(
            "INSERT OR IGNORE INTO trials (series, number, verdicts, digest, virtual_s, wall_ms, "
            "void, schedule, void_kind, undone) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(self.id, number, " ".join(result.verdicts), result.digest),
                *(result.virtual_s, result.wall_ms, result.void and result.void.reason),
                schedule.to_json() if schedule is not None else None,
                *(result.void and result.void.kind, result.undone),
            ),
        )


def _bounds(within: range | None) -> tuple[int, int]:
    return (within.start, within.stop) if within is not None else (0, 2**62)
