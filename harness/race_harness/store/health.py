"""The condition of a record, for a caller that asks before it writes anything."""

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from sqlite_utils import Database

from race_harness.model.errors import UsageError
from race_harness.store.damage import damage_of
from race_harness.store.store import check_age, check_mark, damaged, told


@dataclass(frozen=True)
class RecordHealth:
    trials: int | None = None
    """None: there is no record, or it cannot be read."""
    problem: str | None = None
    """What is wrong with it, and after `; ` or `: ` the way out."""


def health_of(path: Path) -> RecordHealth:
    """Reads all of a record, and changes nothing."""
    if not path.exists():
        return RecordHealth()
    try:
        with told(path), contextlib.closing(_read_only(path)) as connection:
            database = Database(connection)
            check_mark(database, path)
            if not database.table_names():
                return RecordHealth(trials=0)
            check_age(database, path)
            if (reason := damage_of(connection)) is not None:
                raise damaged(path, reason)
            (trials,) = connection.execute("SELECT count(*) FROM trials").fetchone()
            return RecordHealth(trials=trials)
    except UsageError as error:
        return RecordHealth(problem=str(error))


def _read_only(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
