"""Finds campaigns by the names that people use."""

import json
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from race_harness.model.errors import UsageError
from race_harness.store.store import FINISHED, Store

SOAK: Final = "soak"
"""The command whose campaigns are preferred as baselines."""


class Begun(NamedTuple):
    """What identifies a campaign."""

    id: str
    name: str | None
    began: str
    """UTC, ISO 8601."""


def campaigns_named(store: Store, named: str) -> list[str]:
    """The ids of the campaigns of that name, the oldest first, or else the one id that is the name
    or begins with it; empty if there is none.

    Raises:
        UsageError: several ids begin with it.
    """
    rows = store.execute(
        "SELECT id FROM campaigns WHERE name = ? OR id = ? ORDER BY began, id", (named, named)
    ).fetchall()
    if not rows and named:
        rows = store.execute(
            "SELECT id FROM campaigns WHERE substr(id, 1, length(?)) = ?", (named, named)
        ).fetchall()
        if len(rows) > 1:
            raise UsageError(
                f"several campaigns in {store.path or 'the record'} begin with {named!r}: give "
                "more of the id"
            )
    return [identity for (identity,) in rows]


def every_campaign(store: Store) -> list[str]:
    """The ids of all campaigns."""
    return [identity for (identity,) in store.execute("SELECT id FROM campaigns")]


def latest_names(store: Store, most: int) -> list[str]:
    """The names of the latest campaigns, or how their ids begin."""
    rows = store.execute(
        "SELECT ifnull(name, substr(id, 1, 8)) FROM campaigns ORDER BY began DESC LIMIT ?", (most,)
    )
    return [name for (name,) in rows]


def last_drawn(
    store: Store,
    among: Sequence[str] | None = None,
    *,
    but: str | None = None,
    first_of: str | None = None,
) -> Begun | None:
    """The last campaign that has drawn schedules, of all or of these, without `but`; a campaign of
    the command `first_of` is preferred."""
    chosen = every_campaign(store) if among is None else among
    row = store.execute(
        "SELECT id, name, began FROM campaigns WHERE id IS NOT ? AND EXISTS (SELECT 1 FROM series "
        "JOIN trials ON trials.series = series.id WHERE campaign = campaigns.id AND drawn) "
        "AND id IN (SELECT value FROM json_each(?)) "
        "ORDER BY command IS ? DESC, began DESC LIMIT 1",
        (but, json.dumps(chosen), first_of),
    ).fetchone()
    return None if row is None else Begun(*row)


class Unfinished(NamedTuple):
    """A campaign that was killed, interrupted or out of time."""

    id: str
    began: str
    plan: str
    """JSON: what the user asked for."""
    fingerprint: str
    """Of the harness that ran it."""


def unfinished(store: Store, command: str, name: str | None) -> Iterator[Unfinished]:
    """Those of a command, the newest first; only those of that name, unless it is None."""
    rows = store.execute(
        "SELECT campaigns.id, began, plan, fingerprint FROM campaigns "
        "JOIN environments ON environments.id = environment "
        "WHERE command = ? AND ending IS NOT ? "
        "AND ifnull(name, '') = ifnull(?, ifnull(name, '')) ORDER BY began DESC",
        (command, FINISHED, name),
    )
    return (Unfinished(*row) for row in rows.fetchall())
