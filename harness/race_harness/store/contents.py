"""Rows over several campaigns, for reports."""

import json
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from race_harness.model.outcome import Void
from race_harness.store.store import Store


class SeriesRow(NamedTuple):
    """A series, and the campaign that it is of."""

    id: int
    campaign: str
    began: str
    """When the campaign began; UTC, ISO 8601."""
    client: str
    resolved_version: str
    world: str
    server: str
    server_version: str
    scenario: str
    seed: int
    drawn: int
    skipped: str | None
    """Why it was not run, or not to its end."""


def series(store: Store, campaigns: Sequence[str]) -> Iterator[SeriesRow]:
    """All series of these campaigns, those of the oldest first."""
    rows = store.execute(
        "SELECT s.id, c.id, c.began, s.client, s.resolved_version, s.world, s.server, "
        "s.server_version, s.scenario, s.seed, s.drawn, s.skipped "
        "FROM series AS s JOIN campaigns AS c ON c.id = s.campaign "
        "WHERE c.id IN (SELECT value FROM json_each(?)) ORDER BY c.began, s.position, s.id",
        (json.dumps(campaigns),),
    )
    return (SeriesRow(*row) for row in rows)


class TrialsRow(NamedTuple):
    """Trials of one series with the same verdicts; void ones have none."""

    series: int
    verdicts: tuple[str, ...]
    trials: int
    void: int
    wall_ms: float
    """Wall milliseconds of all these trials together."""
    reason: Void | None
    """The reason of one of them, if they are void."""


def trials(store: Store, campaigns: Sequence[str]) -> Iterator[TrialsRow]:
    """The trials of these campaigns, counted."""
    # With min(), SQLite takes `void_kind` from the row that has the least `void`.
    rows = store.execute(
        "SELECT series, verdicts, count(*), count(void), sum(wall_ms), min(void), void_kind "
        "FROM trials WHERE series IN (SELECT id FROM series WHERE campaign IN "
        "(SELECT value FROM json_each(?))) GROUP BY series, verdicts",
        (json.dumps(campaigns),),
    )
    for number, verdicts, count, void, wall_ms, reason, kind in rows:
        why = None if reason is None else Void(kind, reason)
        yield TrialsRow(number, tuple(verdicts.split()), count, void, wall_ms, why)


def times(store: Store, series: Sequence[int]) -> Iterator[tuple[float, float, int]]:
    """For each trial: seconds of `run()`, wall milliseconds, and 1 if it is not void."""
    return iter(
        store.execute(
            "SELECT virtual_s, wall_ms, void IS NULL FROM trials "
            "WHERE series IN (SELECT value FROM json_each(?))",
            (json.dumps(series),),
        )
    )


class CampaignRow(NamedTuple):
    """A campaign, and where it ran."""

    id: str
    name: str | None
    command: str
    began: str
    ended: str | None
    ending: str | None
    harness_version: str
    machine: str


def campaigns(store: Store, chosen: Sequence[str]) -> Iterator[CampaignRow]:
    """These campaigns, the oldest first."""
    rows = store.execute(
        "SELECT c.id, name, command, began, ended, ending, harness_version, "
        "'Python ' || python || ', ' || system || ', ' || machine || ', ' || cores || ' cores' "
        "FROM campaigns AS c JOIN environments AS e ON e.id = c.environment "
        "WHERE c.id IN (SELECT value FROM json_each(?)) ORDER BY began, c.id",
        (json.dumps(chosen),),
    )
    return (CampaignRow(*row) for row in rows)


class FailureRow(NamedTuple):
    """A failure that was kept whole, without its happenings."""

    id: int
    series: int
    drawn: int
    cause: str
    path: str | None
    verdicts: str
    """JSON, as the next two."""
    evidence: str
    confirmed: str | None
    size: int
    """Characters of its document."""
    client: str
    """As typed; a file with its whole path."""


def failures(store: Store, series: Sequence[int]) -> Iterator[FailureRow]:
    """The failures of these series, in the order in which they were kept."""
    rows = store.execute(
        "SELECT f.id, f.series, s.drawn, f.cause, f.path, f.verdicts, f.evidence, f.confirmed, "
        "length(f.document), s.client FROM failures AS f JOIN series AS s ON s.id = f.series "
        "WHERE f.series IN (SELECT value FROM json_each(?)) ORDER BY f.id",
        (json.dumps([*series]),),
    )
    return (FailureRow(*row) for row in rows)


def document(store: Store, failure: int) -> str:
    """The failure's file."""
    (text,) = store.execute("SELECT document FROM failures WHERE id = ?", (failure,)).fetchone()
    return str(text)
