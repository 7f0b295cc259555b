"""The tables of a record, all in one place, and how older files become like them.

A released migration is never edited: append each change as another one.
"""

import contextlib
import sqlite3
from typing import Final

from sqlite_utils import Database, Migrations

migrations: Final = Migrations("race-harness")

_TABLES: Final = """
-- A machine and what was installed on it.
CREATE TABLE environments (
    id INTEGER PRIMARY KEY,
    harness_version TEXT NOT NULL,
    fingerprint TEXT NOT NULL,    -- of the harness's source
    python TEXT NOT NULL,
    system TEXT NOT NULL,
    machine TEXT NOT NULL,
    cores INTEGER NOT NULL,
    UNIQUE (harness_version, fingerprint, python, system, machine, cores)
);

-- One call of one command.
CREATE TABLE campaigns (
    id TEXT PRIMARY KEY,
    name TEXT,                    -- given by its user
    command TEXT NOT NULL,        -- run, compare, soak, hunt, pytest, ...
    plan TEXT NOT NULL,           -- JSON: what was asked for
    environment INTEGER NOT NULL REFERENCES environments (id),
    began TEXT NOT NULL,          -- UTC, ISO 8601
    ended TEXT,                   -- null: it is running still, or was killed
    ending TEXT                   -- finished, interrupted, or what went wrong
);
CREATE INDEX campaigns_by_time ON campaigns (began);

-- The trials of one scenario on one client within a campaign.
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    campaign TEXT NOT NULL REFERENCES campaigns (id),
    position INTEGER NOT NULL,    -- of the client among those that were named
    client TEXT NOT NULL,         -- as typed
    resolved_version TEXT NOT NULL,
    world TEXT NOT NULL,          -- sim, real
    server TEXT NOT NULL,         -- fake, real, own
    server_version TEXT NOT NULL, -- that the fake one plays, too; empty: it has none
    scenario TEXT NOT NULL,
    seed INTEGER NOT NULL,
    drawn INTEGER NOT NULL,       -- 1: a sample drawn from the seed, so that its rate means
                                  -- something; 0: schedules that were searched or given
    reps INTEGER,                 -- null: as many as there was time for
    UNIQUE (campaign, position, world, server, scenario, seed, drawn)
);
CREATE INDEX series_by_client ON series (resolved_version, scenario);

CREATE TABLE trials (
    series INTEGER NOT NULL REFERENCES series (id),
    number INTEGER NOT NULL,      -- repetition, from 0
    verdicts TEXT NOT NULL,       -- gravest first, with spaces between; empty: void
    digest TEXT NOT NULL,
    virtual_s REAL NOT NULL,      -- of run(); in the real world wall seconds
    wall_ms REAL NOT NULL,        -- of the whole repetition
    void TEXT,                    -- why there is no verdict
    schedule TEXT,                -- JSON; null: the one that scenario, seed and number give
    PRIMARY KEY (series, number)
) WITHOUT ROWID;

-- Failures that were kept whole.
CREATE TABLE failures (
    id INTEGER PRIMARY KEY,
    series INTEGER NOT NULL REFERENCES series (id),
    number INTEGER NOT NULL,      -- the trial
    cause TEXT NOT NULL,          -- what makes two failures the same
    path TEXT,                    -- of its file, on the machine that wrote it
    document TEXT NOT NULL,       -- JSON: the failure file
    verdicts TEXT AS (json_extract(document, '$.verdicts')),
    schedule TEXT AS (json_extract(document, '$.schedule')),
    evidence TEXT AS (json_extract(document, '$.evidence')),
    confirmed TEXT AS (json_extract(document, '$.confirmed')),
    UNIQUE (series, number)
);
"""


@migrations(name="0001 tables")
def _tables(database: Database) -> None:
    # Not executescript(), which would end the transaction that a migration runs in.
    statement = ""
    for line in _TABLES.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            database.execute(statement)
            statement = ""


@migrations(name="0002 skipped series")
def _skipped(database: Database) -> None:
    # Why a wanted series has no trials, or not all of them.
    database.execute("ALTER TABLE series ADD COLUMN skipped TEXT")


@migrations(name="0003 kinds of void trials")
def _kinds(database: Database) -> None:
    # not-run, unreached, unfit; `void` is the reason alone. Before, its first words were the kind.
    database.execute("ALTER TABLE trials ADD COLUMN void_kind TEXT")
    not_run, unfit = "not run: ", "the client cannot do what the schedule asks for: "
    database.execute(
        "UPDATE trials SET void_kind = CASE "
        "WHEN substr(void, 1, :m) = :not_run THEN 'not-run' "
        "WHEN substr(void, 1, :n) = :unfit THEN 'unfit' ELSE 'unreached' END, "
        "void = CASE WHEN substr(void, 1, :m) = :not_run THEN substr(void, :m + 1) "
        "WHEN substr(void, 1, :n) = :unfit THEN substr(void, :n + 1) ELSE void END "
        "WHERE void IS NOT NULL",
        {"not_run": not_run, "m": len(not_run), "unfit": unfit, "n": len(unfit)},
    )


@migrations(name="0004 what did not happen")
def _undone(database: Database) -> None:
    # How many runs and acts of the schedule did not happen.
    database.execute("ALTER TABLE trials ADD COLUMN undone INTEGER NOT NULL DEFAULT 0")


def every() -> list[Migrations._Migration]:
    """All migrations, the first one first."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        return migrations.pending(Database(connection, execute_plugins=False))
