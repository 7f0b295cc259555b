"""Writes the record: each trial is there for good as soon as it is told.

The file is in write-ahead mode, so several processes write at once and readers never wait; a
process that is killed leaves the file whole, up to the last trial that it told
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
"""How a campaign ended that has nothing left to run."""

VARIABLE: Final = "RACE_RECORD"
"""Environment variable that names the record where no option does."""

_OF_DAMAGE: Final = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, RecursionError),
    *(sqlite3.Error, TypeError, ValueError),
)
"""What readers come to where rows make no sense."""

_PATIENCE_S: Final = 60
"""Wall seconds to wait for another process that is writing."""


def default_path() -> Path:
    """Where everything is recorded that is not told where: RACE_RECORD, else the user's data."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    return Path(platformdirs.user_data_dir("race-harness")) / "record.db"


class Store:
    """An open record; `path` None keeps it in memory, for as long as it is open.

    Raises:
        UsageError: the file cannot be opened, is no record, or one of a newer race-harness; later,
            from any method: it cannot be read or written any more.
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
                uri=True,  # for what is attached
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
        """Raises UsageError where it is the record that makes no sense, and not us."""
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
        """Begin a campaign, or go on with the one that has this identity.

        `plan` is what was asked for, as JSON. Shards of one plan share their identity, so that
        merging them is a union; without one, the campaign is like no other.
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
        """Put what came of a failure in this combination to where it was kept, in any campaign."""
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
        """Those that were kept whole, in the order in which they were.

        Raises:
            UsageError: one is of another schema.
        """
        for (document,) in self.execute("SELECT document FROM failures ORDER BY id"):
            yield Failure.from_json(document, str(self.path))

    def execute(self, sql: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        """One statement, which is a transaction of its own outside `writing`."""
        with self._told():
            cursor: sqlite3.Cursor = self.connection.execute(sql, values)
            return cursor

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Within, all is as it is at one moment, whoever writes meanwhile."""
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
                # An interrupt may come before the first or after the last.
                self.connection.rollback()
                raise

    def _told(self) -> AbstractContextManager[None]:
        return told(self.path)

    def _prepare(self) -> None:
        from sqlite_utils import Database

        from race_harness.store.migrations import migrations

        database = Database(self.connection, execute_plugins=False)
        # Somebody else's file is not even put into another mode.
        check_mark(database, self.path)
        self.execute("PRAGMA journal_mode = WAL")
        self.execute("PRAGMA synchronous = NORMAL")
        self.execute("PRAGMA foreign_keys = ON")
        # Of several processes that open a new file, one makes the tables.
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
    """What one call of a command leaves."""

    def __init__(self, store: Store, identity: str) -> None:
        self.store = store
        self.id = identity
        self._begun: dict[Series, SeriesRecord] = {}

    def series(self, series: Series) -> SeriesRecord:
        """Begin a series, or go on with it where the campaign has it already.

        Asking again costs nothing.

        Raises:
            UsageError: it was of another version of the client then.
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
        """This series of given schedules at the position of its client, or, where the campaign has
        none of this client and versions, at the first that is free.

        Failures of several clients are tried in one campaign, which need not have named them.
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
        """Say why a series that was wanted is not run, or not to its end."""
        record = self.series(series)
        self.store.execute("UPDATE series SET skipped = ? WHERE id = ?", (reason, record.id))

    def end(self, ending: str = FINISHED) -> None:
        """Say how it ended: FINISHED, `interrupted`, or one line of what went wrong."""
        self.store.execute(
            "UPDATE campaigns SET ended = ?, ending = ? WHERE id = ?", (_now(), ending, self.id)
        )


@contextlib.contextmanager
def told(path: Path | None) -> Iterator[None]:
    """Raises UsageError with the file's name where it cannot be used."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_NOTADB:
            raise _no_record(path) from None
        # The primary one; the others say where (https://www.sqlite.org/rescode.html).
        if code is not None and code & 0xFF == sqlite3.SQLITE_CORRUPT:
            raise damaged(path, str(error)) from None
        raise UsageError(f"cannot use the record {path}: {error}") from None
    except UnicodeDecodeError as error:
        # Of names in it, and even of what SQLite says of them.
        raise damaged(path, str(error)) from None
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"cannot use the record {path}: {reason}") from None


class _ToldCursor(sqlite3.Cursor):
    """Damage is met when rows are fetched."""

    def __init__(self, path: Path | None, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._path = path

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            # Not around each of a million rows.
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
    """What to raise of a record that is damaged for this reason."""
    return UsageError(
        f"the record {path} is damaged: {reason}; `race merge NEW.db {path}` saves what can be "
        "read"
    )


def check_mark(database: "Database", path: Path | None, *, or_empty: bool = True) -> None:
    """Raises UsageError where there is something, and no record."""
    # In this order: another process may make all of it meanwhile.
    empty = not database.table_names()
    (mark,) = database.execute("PRAGMA application_id").fetchone()
    if mark != APPLICATION_ID and not (or_empty and empty):
        raise _no_record(path)


def check_age(database: "Database", path: Path | None) -> None:
    """Raises UsageError where the record is of a release to come."""
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
