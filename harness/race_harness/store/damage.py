"""Whether a record is damaged: where its file is no longer whole, or where rows make no sense.

SQLite has no checksums of pages: only code that knows what a text may say can notice a flipped
bit in it.
"""

import json
import math
import re
import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from race_harness.model.combination import SERVERS, WORLDS, Combination
from race_harness.model.errors import UsageError
from race_harness.model.failure import SCHEMA, Failure
from race_harness.model.permission import is_release
from race_harness.model.verdict import ORDER
from race_harness.model.version import __version__

TABLES: Final = ("environments", "campaigns", "series", "trials", "failures")

Row = Mapping[str, Any]

_SURROGATE: Final = re.compile("[\ud800-\udfff]")

_KINDS: Final[dict[str, Callable[[Any], bool]]] = {
    "INTEGER": lambda value: isinstance(value, int),
    "REAL": lambda value: isinstance(value, float | int) and math.isfinite(value),
    # Surrogates stand for bytes that are no UTF-8.
    "TEXT": lambda value: isinstance(value, str) and not _SURROGATE.search(value),
}


def damage_of(connection: sqlite3.Connection) -> str | None:
    """What is wrong with a record, in a few words; None: no visible damage.

    Reads the whole record.
    """
    try:
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            return str(found).splitlines()[-1]
        for table in TABLES:
            columns = columns_of(connection, table)
            for row in connection.execute(f"SELECT {', '.join(columns)} FROM {table}"):
                reason = wrong(table, columns, dict(zip(columns, row, strict=True)))
                if reason is not None:
                    return reason
    except (sqlite3.Error, UnicodeDecodeError) as error:
        return str(error)
    return None


def columns_of(connection: sqlite3.Connection, table: str) -> dict[str, tuple[str, bool]]:
    """For each column that is stored: its type, and whether it may be null."""
    told = connection.execute(f"PRAGMA table_info({table})").fetchall()
    return {name: (kind, not (required or key)) for _, name, kind, required, _, key in told}


def wrong(table: str, columns: Mapping[str, tuple[str, bool]], row: Row) -> str | None:
    """What is wrong with a row, in a few words; None: it makes sense."""
    for name, (kind, optional) in columns.items():
        if kind not in _KINDS:
            return f"{table} have {kind!r:.40} as the type of {name}"
        if not (row[name] is None and optional) and not _KINDS[kind](row[name]):
            return f"{table} have {row[name]!r:.40} as {name}"
    try:
        _check(table, row)
    except (ValueError, LookupError, AttributeError, RecursionError, UsageError) as error:
        return f"{table}: {str(error).partition(chr(10))[0]:.200}"
    return None


def _check(table: str, row: Row) -> None:
    """Raises ValueError or UsageError where a value is impossible."""
    match table:
        case "campaigns":
            if not isinstance(json.loads(row["plan"]), dict):
                raise ValueError("a plan is none")
            for moment in filter(None, (row["began"], row["ended"])):
                datetime.fromisoformat(moment)
        case "series":
            pair = row["world"], row["server"]
            found = Combination.of(*pair)
            known = found.world in WORLDS and found.server in SERVERS
            released = not found.release or is_release(found.release)
            if not (known and released) or found.served_by != row["server"]:
                raise ValueError(f"no such combination: {pair!r:.80}")
        case "trials":
            verdicts = row["verdicts"].split()
            if not set(verdicts) <= set(ORDER) or bool(verdicts) == (row["void"] is not None):
                raise ValueError(f"no such verdict: {row['verdicts']!r:.40}")
            if row["schedule"] is not None:
                json.loads(row["schedule"])
        case "failures":
            document = json.loads(row["document"])
            # Do not judge a document of another schema here, nor one of another version of the
            # harness, which may know more.
            ours = document.get("harness_version", __version__) == __version__
            if document.get("schema") == SCHEMA and ours:
                Failure.from_json(row["document"], "a document")
