"""Merges records into their union, in which nothing counts twice.

What rows stand for makes them equal, not their number in a file: campaigns have an identity,
series have unique columns, trials and failures a series and a number. So shards of one plan become
one campaign, and merging a file again adds nothing.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from race_harness.model.errors import UsageError
from race_harness.store.damage import damage_of
from race_harness.store.rescue import rescue
from race_harness.store.schema import ENVIRONMENT, SERIES
from race_harness.store.store import Store, check_age, check_mark, damaged, told
from race_harness.upkeep.temporary import TemporaryFolder

_ENVIRONMENTS: Final = f"""
INSERT OR IGNORE INTO main.environments ({ENVIRONMENT})
SELECT {ENVIRONMENT} FROM incoming.environments
"""

_CAMPAIGNS: Final = f"""
INSERT INTO main.campaigns
SELECT theirs.id, name, command, plan, ours.id, began, ended, ending
FROM incoming.campaigns theirs
JOIN incoming.environments same ON same.id = theirs.environment
JOIN main.environments ours USING ({ENVIRONMENT})
WHERE true
ON CONFLICT (id) DO UPDATE SET
    began = min(began, excluded.began),
    -- Null if either is: it has not ended as long as one shard has not.
    ended = max(ended, excluded.ended),
    ending = CASE
        WHEN ended IS NULL OR excluded.ended IS NULL THEN NULL
        WHEN ending = 'finished' THEN excluded.ending
        ELSE ending
    END
"""

_SERIES: Final = f"""
INSERT OR IGNORE INTO main.series
    ({SERIES}, client, resolved_version, server_version, reps, skipped)
SELECT {SERIES}, client, resolved_version, server_version, reps, skipped FROM incoming.series
"""

_NUMBERS: Final = f"""
CREATE TEMP TABLE numbers AS
SELECT theirs.id AS theirs, ours.id AS ours FROM incoming.series theirs
JOIN main.series ours USING ({SERIES})
"""
"""Maps their series to ours."""

_OTHER_SERIES: Final = """
SELECT ours.client, ours.scenario, ours.campaign, ours.resolved_version, ours.server_version,
    theirs.resolved_version, theirs.server_version
FROM numbers
JOIN incoming.series theirs ON theirs.id = numbers.theirs
JOIN main.series ours ON ours.id = numbers.ours
WHERE (ours.resolved_version, ours.server_version)
    <> (theirs.resolved_version, theirs.server_version)
LIMIT 1
"""

_OTHER_TRIAL: Final = """
SELECT theirs.number, client, scenario, campaign, ours.digest, theirs.digest
FROM numbers
JOIN incoming.trials theirs ON theirs.series = numbers.theirs
JOIN main.trials ours ON (ours.series, ours.number) = (numbers.ours, theirs.number)
JOIN main.series ON series.id = ours.series
WHERE ours.digest <> theirs.digest
ORDER BY theirs.series, theirs.number LIMIT 1
"""

_TRIALS: Final = """
INSERT OR IGNORE INTO main.trials
    (series, number, verdicts, digest, virtual_s, wall_ms, void, schedule, void_kind, undone)
SELECT numbers.ours, number, verdicts, digest, virtual_s, wall_ms, void, schedule, void_kind,
    undone
FROM numbers JOIN incoming.trials ON series = theirs ORDER BY numbers.ours, number
"""

_FAILURES: Final = """
INSERT INTO main.failures (series, number, cause, path, document)
SELECT numbers.ours, number, cause, path, document
FROM numbers JOIN incoming.failures ON series = theirs WHERE true
ON CONFLICT (series, number) DO UPDATE SET path = excluded.path, document = excluded.document
-- The one that was tried in more places.
WHERE (SELECT count(*) FROM json_each(excluded.document, '$.confirmed'))
    > (SELECT count(*) FROM json_each(document, '$.confirmed'))
"""


@dataclass(frozen=True)
class Merged:
    """The result of merging one file."""

    trials: int
    """How many the file holds."""
    new: int
    """How many of them were not there before."""
    left: tuple[str, ...] = ()
    """What was left behind of a damaged file, in words."""


def merge(store: Store, path: Path) -> Merged:
    """Add what another record holds, all of it or nothing; that file stays as it is.

    From a damaged file it saves what can be read, but only into a record without campaigns.

    Raises:
        UsageError: the file is no record, a record of a newer race-harness, or this record itself;
            both hold a trial or a series that differs; the file is damaged, and this record has
            campaigns already.
    """
    if store.path is not None and path.exists() and path.samefile(store.path):
        raise UsageError(f"{path} is both a source and the target of the merge: name another file")
    (campaigns,) = store.execute("SELECT count(*) FROM campaigns").fetchone()
    with _as_of_now(path, rescued=not campaigns) as (address, left):
        store.execute("ATTACH ? AS incoming", (address,))
        try:
            with store.writing():
                return replace(_union(store, path), left=tuple(left))
        finally:
            store.execute("DETACH incoming")


def _union(store: Store, path: Path) -> Merged:
    store.execute("DROP TABLE IF EXISTS temp.numbers")
    for statement in (_ENVIRONMENTS, _CAMPAIGNS, _SERIES, _NUMBERS):
        store.execute(statement)
    if other := store.execute(_OTHER_SERIES).fetchone():
        client, scenario, campaign, *both = other
        ours, theirs = (" with server ".join(filter(None, b)) for b in (both[:2], both[2:]))
        raise UsageError(
            f"{path} contradicts {store.path}: {client} in {scenario} of campaign {campaign} is "
            f"of {theirs}, and was of {ours}; nothing of it was merged"
        )
    if other := store.execute(_OTHER_TRIAL).fetchone():
        number, client, scenario, campaign, ours, theirs = other
        raise UsageError(
            f"{path} contradicts {store.path}: trial {number} of {client} in {scenario} of "
            f"campaign {campaign} has digest {theirs}, and had {ours}; nothing of it was merged"
        )
    new = store.execute(_TRIALS).rowcount
    store.execute(_FAILURES)
    (trials,) = store.execute("SELECT count(*) FROM incoming.trials").fetchone()
    return Merged(trials, new)


@contextlib.contextmanager
def _as_of_now(path: Path, *, rescued: bool) -> Iterator[tuple[str, list[str]]]:
    """The address, for SQLite, of a record or of a copy of it, and what the copy leaves behind. An
    older record is copied with today's tables; a damaged one, if `rescued`, as far as it can be
    read."""
    from sqlite_utils import Database

    from race_harness.store.migrations import migrations

    if not path.is_file():
        raise UsageError(f"no record {path}: name a file that race has written")
    left: list[str] = []
    with contextlib.ExitStack() as stack:
        with told(path):
            address = _address(path)
            connection = stack.enter_context(
                contextlib.closing(sqlite3.connect(address, uri=True, isolation_level=None))
            )
            database = Database(connection, execute_plugins=False)
            try:
                check_mark(database, path, or_empty=False)
                damage = damage_of(connection)
            except sqlite3.DatabaseError as error:
                if not rescued or error.sqlite_errorcode == sqlite3.SQLITE_NOTADB:
                    raise
                damage = str(error)
                # With this, a file whose end is missing can be opened; nothing is written.
                connection.execute("PRAGMA writable_schema = ON")
                check_mark(database, path, or_empty=False)
            if damage is not None and not rescued:
                raise damaged(path, damage)
            with (
                contextlib.nullcontext() if damage is None else contextlib.suppress(sqlite3.Error)
            ):
                check_age(database, path)
            older = damage is None and migrations.pending(database)
        if damage is not None or older:
            copy = stack.enter_context(TemporaryFolder()) / "record.db"
            if damage is not None:
                left = [f"{path} is damaged: {damage}", *rescue(connection, copy)]
            else:
                with contextlib.closing(sqlite3.connect(copy)) as target:
                    connection.backup(target)
                Store(copy).close()
            address = _address(copy)
        yield address, left


def _address(path: Path) -> str:
    """The address of a record for SQLite. A record that another process has open, or left open
    when it was killed, is opened read-only. Otherwise SQLite puts two files beside it while we
    read, if it may write there."""
    if Path(f"{path}-wal").exists():
        mode = "mode=ro"
    elif os.access(path.parent, os.W_OK):
        mode = "mode=rw"
    else:
        mode = "immutable=1"
    return f"{path.absolute().as_uri()}?{mode}"
