"""Reads what it still can of a damaged record, into a new record.

It reads each table from its beginning to where it is damaged, and from its end back to there;
trials series by series. Stand-ins that say so replace lost campaigns and environments.
"""

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from race_harness.store.damage import TABLES, columns_of, wrong
from race_harness.store.store import Store

_STAND_INS: Final = (
    "INSERT OR IGNORE INTO environments (id, harness_version, fingerprint, python, system, "
    "machine, cores) SELECT environment, 'lost', environment, 'lost', 'lost', 'lost', 0 "
    "FROM (SELECT environment FROM campaigns UNION SELECT 0)",
    "INSERT OR IGNORE INTO campaigns (id, command, plan, environment, began, ended, ending) "
    "SELECT DISTINCT campaign, 'lost', '{}', 0, '1970-01-01T00:00:00.000+00:00', "
    "'1970-01-01T00:00:00.000+00:00', 'lost' FROM series",
)

_HOMELESS: Final = "series NOT IN (SELECT id FROM series)"


def rescue(damaged: sqlite3.Connection, target: Path) -> list[str]:
    """Make a record of what can be read; return what was left behind, in words.

    Raises:
        UsageError: the target cannot be written.
    """
    damaged.text_factory = lambda text: text.decode(errors="surrogateescape")
    left: list[str] = []
    with Store(target) as store:
        store.execute("PRAGMA foreign_keys = OFF")
        with store.writing():
            for table in TABLES:
                left += _Copy(damaged, store, table).all()
            for statement in _STAND_INS:
                store.execute(statement)
            for table in ("trials", "failures"):
                if lost := store.execute(f"DELETE FROM {table} WHERE {_HOMELESS}").rowcount:
                    left.append(f"{lost} {table} of series that are lost")
    return left


class _Copy:
    """Copies one table as far as it can be read."""

    def __init__(self, damaged: sqlite3.Connection, store: Store, table: str) -> None:
        self._damaged, self._store, self._table = damaged, store, table
        self._left: list[str] = []
        ours = columns_of(store.connection, table)
        try:
            # An older record has fewer columns.
            self._columns = {
                name: ours[name] for name in columns_of(damaged, table) if name in ours
            }
        except (sqlite3.Error, UnicodeError):
            self._columns = {}

    def all(self) -> list[str]:
        """Copy the table; return what was left behind."""
        if not self._columns:
            return [f"all {self._table}"]
        wrongs: Counter[str] = Counter()
        marks = ", ".join("?" * len(self._columns))
        insert = f"INSERT INTO {self._table} ({', '.join(self._columns)}) VALUES ({marks})"
        for values in self._parts():
            reason = wrong(
                self._table, self._columns, dict(zip(self._columns, values, strict=True))
            )
            if reason is None:
                with contextlib.suppress(sqlite3.IntegrityError):  # The row is there already.
                    self._store.connection.execute(insert, values)
            else:
                wrongs[reason] += 1
        return [*self._left, *(f"{times} of the {reason}" for reason, times in wrongs.items())]

    def _parts(self) -> Iterator[tuple[Any, ...]]:
        if self._table != "trials":
            yield from self._part("rowid", "true", (), "")
            return
        for number, client, scenario in self._store.execute(
            "SELECT id, client, scenario FROM series"
        ).fetchall():
            yield from self._part("number", "series = ?", (number,), f" of {client} in {scenario}")

    def _part(
        self, key: str, where: str, values: tuple[Any, ...], whose: str
    ) -> Iterator[tuple[Any, ...]]:
        """Rows from both ends to where the table is damaged."""
        names = ", ".join(self._columns)
        select = f"SELECT {key}, {names} FROM {self._table} WHERE {where}"
        ends: list[Any] = [None, None]
        for end, order in enumerate(("ASC", "DESC")):
            beyond = "" if ends[0] is None else f" AND {key} > {int(ends[0])}"
            try:
                for place, *row in self._damaged.execute(
                    f"{select}{beyond} ORDER BY {key} {order}", values
                ):
                    ends[end] = place
                    yield tuple(row)
            except (sqlite3.Error, UnicodeError):
                continue
            return
        first, last = ends
        begin = "the first on" if first is None else f"{first + 1} on"
        until = "" if last is None else f" to before {last}"
        self._left.append(f"{self._table}{whose} from {begin}{until}")
