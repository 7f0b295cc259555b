"""Writes the record: each trial is there for good as soon as it is reported.

The file is in write-ahead mode, so several processes write at once and readers never wait; a
process that is killed leaves the file whole, up to the last trial that it reported
(https://www.sqlite.org/wal.html). Only a loss of power may cost the last moments.
"""

import contextlib
import json
import os
import platform
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import platformdirs

from race_harness.model.combination import Combination
from race_harness.model.errors import UsageError
from race_harness.model.failure import Failure
from race_harness.model.fingerprint import fingerprint
from race_harness.model.version import __version__
from race_harness.store.schema import APPLICATION_ID, ENVIRONMENT, SERIES
from race_harness.store.series import Series, SeriesRecord

if TYPE_CHECKING:
    from sqlite_utils import Database  # it takes a third of a second to import

FINISHED: Final = "finished"
"""The ending of a campaign that has nothing left to run."""

VARIABLE: Final = "RACE_RECORD"
"""Environment variable that names the record where no option does."""

_OF_DAMAGE: Final = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError),
    *(sqlite3.Error, TypeError, ValueError),
)
"""The errors that readers meet where rows make no sense."""

_PATIENCE_S: Final = 60
"""Wall seconds to wait for another process that is writing."""


def default_path() -> Path:
    """The record to use by default: RACE_RECORD, else a file in the user's data."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    return Path(platformdirs.user_data_dir("race-harness")) / "record.db"


class Store:
    """An open record; `path` None keeps it in memory, for as long as it is open.

    Raises:
        UsageError: the file cannot be opened, is no record, or a record of a newer race-harness;
            later, from any method: it cannot be read or written any more.
    """

    def __init__(self, path: Path | None, *, must_exist: bool = False) -> None:
        self.path = path
        with self._told():
            if path is not None and must_exist and not path.is_file():
                raise UsageError(f"no record {path}: run something first, or name another file")
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self.connection = sqlite3.connect(
                path.absolute() if path is not None else ":memory:",
                timeout=_PATIENCE_S,
                isolation_level=None,
                uri=True,  # for attached databases
                factory=_ToldConnection,
            )
            self.connection.record = path
        try:
            with self._told():
                self._prepare()
        except BaseException:
            self.connection.close()
            raise

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        try:
            if isinstance(exc, _OF_DAMAGE):
                self._blame(exc)
        finally:
            self.close()

    def close(self) -> None:
        self.connection.close()

    def _blame(self, error: BaseException) -> None:
        """Raises UsageError if the record makes no sense, so that the harness is not to blame."""
        from race_harness.store.damage import damage_of

        if (reason := damage_of(self.connection)) is not None:
            raise damaged(self.path, reason) from error

    def campaign(
        self,
        command: str,
        plan: Mapping[str, Any],
        *,
        name: str | None = None,
        identity: str | None = None,
    ) -> "CampaignRecord":
        """Begin a campaign, or continue the one that has this identity.

        `plan` is what the user asked for, as JSON. Shards of one plan share their identity, so
        that merging them is a union; without an identity, the campaign gets a unique one.
        """
        identity = identity or str(uuid.uuid4())
        with self.writing():
            self.execute(
                "INSERT OR IGNORE INTO campaigns (id, name, command, plan, environment, began) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (identity, name, command, json.dumps(plan), self._environment(), _now()),
            )
        return CampaignRecord(self, identity)

    def confirmed(self, failure: Failure, combination: Combination) -> None:
        """Add the result of a failure in this combination wherever it is kept, in any campaign."""
        self.execute(
            "UPDATE failures SET document = json_set(document, ?, json(?)) "
            "WHERE (series, number) IN ("
            "SELECT trials.series, trials.number FROM failures "
            "JOIN trials USING (series, number) JOIN series ON series.id = trials.series "
            "WHERE (digest, scenario, resolved_version, world, server) = (?, ?, ?, ?, ?))",
            (
                f'$.confirmed."{combination}"',
                json.dumps(failure.confirmed[str(combination)].to_dict()),
                *(failure.digest, failure.schedule.scenario, failure.resolved_version),
                *(failure.world, failure.server),
            ),
        )

    def failures(self) -> Iterator[Failure]:
        """The failures that were kept whole, in the order in which they were kept.

        Raises:
            UsageError: a failure has another schema.
        """
        for (document,) in self.execute("SELECT document FROM failures ORDER BY id"):
            yield Failure.from_json(document, str(self.path))

    def execute(self, sql: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """Execute one statement; outside of `writing` it is a transaction of its own."""
        with self._told():
            cursor: sqlite3.Cursor = self.connection.execute(sql, values)
            return cursor

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Within, reads see the record as of one moment, even if others write meanwhile."""
        self.execute("BEGIN")
        try:
            yield
        finally:
            self.execute("ROLLBACK")

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction that has the file to itself from the first statement on."""
        with self._told():
            try:
                self.execute("BEGIN IMMEDIATE")
                yield
                self.execute("COMMIT")
            except BaseException:
                # An interrupt may come before the transaction begins or after it ends.
                self.connection.rollback()
                raise

    def _told(self) -> AbstractContextManager[None]:
        return told(self.path)

    def _prepare(self) -> None:
        from sqlite_utils import Database

        from race_harness.store.migrations import migrations

        database = Database(self.connection, execute_plugins=False)
        # Never change another program's file, not even its mode.
        check_mark(database, self.path)
        self.execute("PRAGMA journal_mode = WAL")
        self.execute("PRAGMA synchronous = NORMAL")
        self.execute("PRAGMA foreign_keys = ON")
        # If several processes open a new file, one makes the tables.
        with self.writing():
            check_mark(database, self.path)
            self.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            check_age(database, self.path)
            migrations.apply(database)

    def _environment(self) -> int:
        values = (
            __version__,
            fingerprint(),
            platform.python_version(),
            f"{platform.system()} {platform.release()}",
            platform.machine(),
            len(os.sched_getaffinity(0)),
        )
        self.execute(
            f"INSERT OR IGNORE INTO environments ({ENVIRONMENT}) VALUES (?, ?, ?, ?, ?, ?)",
            values,
        )
        (number,) = self.execute(
            f"SELECT id FROM environments WHERE ({ENVIRONMENT}) = (?, ?, ?, ?, ?, ?)", values
        ).fetchone()
        return int(number)


class CampaignRecord:
    """What one call of a command leaves in the record."""

    def __init__(self, store: Store, identity: str) -> None:
        self.store = store
        self.id = identity
        self._begun: dict[Series, SeriesRecord] = {}

    def series(self, series: Series) -> SeriesRecord:
        """Begin a series, or continue it if the campaign has it already.

        Asking again costs nothing.

        Raises:
            UsageError: the existing one is of another version of the client.
        """
        if series not in self._begun:
            self._begun[series] = self._begin(series)
        return self._begun[series]

    def _begin(self, series: Series) -> SeriesRecord:
        store = self.store
        with store.writing():
            store.execute(
                "INSERT OR IGNORE INTO series (campaign, position, client, resolved_version, "
                "world, server, server_version, scenario, seed, drawn, reps) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (self.id, *series.columns()),
            )
            number, version, server_version = store.execute(
                "SELECT id, resolved_version, server_version FROM series "
                f"WHERE ({SERIES}) = (?, ?, ?, ?, ?, ?, ?)",
                (
                    *(self.id, series.position, series.world, series.server),
                    *(series.scenario, series.seed, series.drawn),
                ),
            ).fetchone()
        now, then = (series.resolved_version, series.server_version), (version, server_version)
        if now != then:
            raise UsageError(
                f"{series.client} was {' with server '.join(filter(None, then))} when this "
                f"campaign began and is {' with server '.join(filter(None, now))} now: begin "
                "another one"
            )
        return SeriesRecord(self.store, number)

    def with_place(self, series: Series) -> Series:
        """This series of given schedules at the position of its client or, where the campaign has
        no series of this client and these versions, at the first free position.

        One campaign may try failures of several clients without naming these.
        """
        wanted = (series.client, series.resolved_version, series.server_version)
        places = {
            tuple(client): position
            for position, *client in self.store.execute(
                "SELECT position, client, resolved_version, server_version FROM series "
                "WHERE campaign = ? AND NOT drawn",
                (self.id,),
            )
        }
        free = max(places.values(), default=-1) + 1
        return replace(series, position=places.get(wanted, free))

    def skip(self, series: Series, reason: str) -> None:
        """Record why a wanted series is not run, or not to its end."""
        record = self.series(series)
        self.store.execute("UPDATE series SET skipped = ? WHERE id = ?", (reason, record.id))

    def end(self, ending: str = FINISHED) -> None:
        """Record how it ended: FINISHED, `interrupted`, or one line on what went wrong."""
        self.store.execute(
            "UPDATE campaigns SET ended = ?, ending = ? WHERE id = ?", (_now(), ending, self.id)
        )


@contextlib.contextmanager
def told(path: Path | None) -> Iterator[None]:
    """Raises UsageError with the file's name if the file cannot be used."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_NOTADB:
            raise _no_record(path) from None
        # The primary code; extended ones say where (https://www.sqlite.org/rescode.html).
        if code is not None and code & 0xFF == sqlite3.SQLITE_CORRUPT:
            raise damaged(path, str(error)) from None
        raise UsageError(f"cannot use the record {path}: {error}") from None
    except UnicodeDecodeError as error:
        # Names in the file, and even SQLite's messages about them, may be no UTF-8.
        raise damaged(path, str(error)) from None
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"cannot use the record {path}: {reason}") from None


class _ToldCursor(sqlite3.Cursor):
    """Reports damage, which shows when rows are fetched."""

    def __init__(self, path: Path | None, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._path = path

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            # Only here: a context around each of a million rows would cost time.
            with told(self._path):
                raise

    def fetchone(self) -> Any:
        with told(self._path):
            return super().fetchone()

    def fetchall(self) -> list[Any]:
        with told(self._path):
            return super().fetchall()


class _ToldConnection(sqlite3.Connection):
    record: Path | None = None

    def cursor(self, *_arguments: Any) -> Any:
        return super().cursor(partial(_ToldCursor, self.record))


def damaged(path: Path | None, reason: str) -> UsageError:
    """The error for a record that is damaged for this reason."""
    return UsageError(
        f"the record {path} is damaged: {reason}; `race merge NEW.db {path}` saves what can be "
        "read"
    )


def check_mark(database: "Database", path: Path | None, *, or_empty: bool = True) -> None:
    """Raises UsageError if the file has content, but is no record."""
    # In this order: another process may make the whole record meanwhile.
    empty = not database.table_names()
    (mark,) = database.execute("PRAGMA application_id").fetchone()
    if mark != APPLICATION_ID and not (or_empty and empty):
        raise _no_record(path)


def check_age(database: "Database", path: Path | None) -> None:
    """Raises UsageError if the record is of a later release."""
    from race_harness.store.migrations import every, migrations

    applied = {migration.name for migration in migrations.applied(database)}
    if not applied <= {migration.name for migration in every()}:
        raise UsageError(
            f"{path} was written by a newer race-harness: upgrade, or name another file"
        )


def _no_record(path: Path | None) -> UsageError:
    return UsageError(f"{path} is no record of race-harness: name another file")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
