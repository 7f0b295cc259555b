"""Reads a record into the view of a report.

SQLite counts and numpy measures; however many trials there are, what stays is a few values for
each client and scenario.
"""

import json
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from race_harness.campaign.under_test import INSTALLED
from race_harness.model.combination import Combination
from race_harness.model.errors import UsageError
from race_harness.model.outcome import Void
from race_harness.model.verdict import ORDER
from race_harness.report.findings import findings
from race_harness.report.view import (
    Campaign,
    Client,
    Moment,
    Quantiles,
    Report,
    Row,
    Skipped,
    Tally,
)
from race_harness.store.campaigns import campaigns_named
from race_harness.store.store import Store


def gather(store: Store, campaigns: Sequence[str] = ()) -> Report:
    """The view of the whole record, or of these campaigns: names, ids, or beginnings of ids.

    It is that of one moment, whoever writes meanwhile.

    Raises:
        UsageError: no such campaign, or nothing was recorded; later, as any method of `Store`.
    """
    with store.reading():
        chosen = _chosen(store, campaigns)
        series = _series(store, chosen)
        if not series:
            raise UsageError(f"nothing is recorded in {_place(store)} yet: run something first")
        drawn = [one for one in series if one.drawn]
        counted = _once_each(drawn)
        rows = _rows(store, counted)
        return Report(
            campaigns=_campaigns(store, chosen, series),
            rows=rows,
            moments=tuple(map(_moment, drawn)),
            findings=findings(store, {one.id: (one.client, one.scenario) for one in series}),
            searched=sum(one.tally.trials for one in series if not one.drawn),
            repeated=sum(one.tally.trials for one in drawn)
            - sum(one.tally.trials for one in counted),
            skipped=tuple(_skipped(store, chosen, {(row.client, row.scenario) for row in rows})),
            source=_place(store),
        )


@dataclass(frozen=True)
class _Series:
    id: int
    campaign: str
    began: datetime
    typed: str
    client: Client
    scenario: str
    seed: int
    drawn: int
    tally: Tally
    wall_ms: float
    void_reason: str | None


def find_campaign(store: Store, named: str) -> list[str]:
    """The ids of the campaigns of that name, or of the one whose id is or begins so.

    Raises:
        UsageError: there is none, or several ids begin so.
    """
    found = campaigns_named(store, named)
    if not found:
        known = store.execute(
            "SELECT ifnull(name, substr(id, 1, 8)) FROM campaigns ORDER BY began DESC LIMIT 5"
        ).fetchall()
        latest = ", ".join(name for (name,) in known) or "none at all"
        raise UsageError(f"no campaign {named!r} in {_place(store)}; the latest there: {latest}")
    return found


def _chosen(store: Store, campaigns: Sequence[str]) -> list[str]:
    if campaigns:
        return [*dict.fromkeys(one for named in campaigns for one in find_campaign(store, named))]
    return [identity for (identity,) in store.execute("SELECT id FROM campaigns")]


def _series(store: Store, chosen: Sequence[str]) -> list[_Series]:
    """Those that have trials."""
    tallies = _tallies(store, chosen)
    rows = store.execute(
        "SELECT s.id, c.id, c.began, s.client, s.resolved_version, s.world, s.server, "
        "s.server_version, s.scenario, s.seed, s.drawn "
        "FROM series AS s JOIN campaigns AS c ON c.id = s.campaign "
        "WHERE c.id IN (SELECT value FROM json_each(?)) ORDER BY c.began, s.position, s.id",
        (json.dumps(chosen),),
    )
    found = []
    for row in rows:
        number, campaign, began, typed, version, world, server, server_version, *rest = row
        scenario, seed, drawn = rest
        if number not in tallies:
            continue
        combination = str(Combination(world, server))
        client = Client(_name(typed, version), version, combination, server_version)
        at = datetime.fromisoformat(began)
        found.append(
            _Series(number, campaign, at, typed, client, scenario, seed, drawn, *tallies[number])
        )
    return found


def _skipped(
    store: Store, chosen: Sequence[str], run: Container[tuple[Client, str]]
) -> Iterator[Skipped]:
    """Those that no other campaign has run, each once, with the latest reason."""
    rows = store.execute(
        "SELECT s.client, s.resolved_version, s.world, s.server, s.server_version, s.scenario, "
        "s.skipped FROM series AS s JOIN campaigns AS c ON c.id = s.campaign "
        "WHERE s.skipped IS NOT NULL AND c.id IN (SELECT value FROM json_each(?)) "
        "ORDER BY c.began, s.id",
        (json.dumps(chosen),),
    )
    found: dict[tuple[Client, str], str] = {}
    for typed, version, world, server, server_version, scenario, reason in rows:
        combination = str(Combination(world, server))
        client = Client(_name(typed, version), version, combination, server_version)
        if (client, scenario) not in run:
            found[client, scenario] = reason
    for (client, scenario), reason in found.items():
        yield Skipped(client, scenario, reason)


def _name(typed: str, version: str) -> str:
    """What moves with time is called by what it was."""
    return version if typed in (version, "latest", INSTALLED) else f"{typed} ({version})"


def _tallies(store: Store, chosen: Sequence[str]) -> dict[int, tuple[Tally, float, str | None]]:
    """Of each series: its tally, wall milliseconds in all, and why one of its trials is void."""
    rows = store.execute(
        "SELECT series, verdicts, count(*), count(void), sum(wall_ms), min(void), void_kind "
        "FROM trials "
        "WHERE series IN (SELECT id FROM series WHERE campaign IN "
        "(SELECT value FROM json_each(?))) GROUP BY series, verdicts",
        (json.dumps(chosen),),
    )
    counts: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    passed: dict[int, int] = defaultdict(int)
    void: dict[int, int] = defaultdict(int)
    trials: dict[int, int] = defaultdict(int)
    wall_ms: dict[int, float] = defaultdict(float)
    reasons: dict[int, str] = {}
    for series, verdicts, count, voids, wall, reason, kind in rows:
        trials[series] += count
        void[series] += voids
        wall_ms[series] += wall
        if reason is not None:
            reasons[series] = Void(kind, reason).says
        judged = count - voids
        if verdicts == "ok":
            passed[series] += judged
        for verdict in verdicts.split():
            counts[series][verdict] += judged
    return {
        series: (
            Tally(
                count,
                passed[series],
                void[series],
                {name: counts[series][name] for name in ORDER if counts[series].get(name)},
            ),
            wall_ms[series],
            reasons.get(series),
        )
        for series, count in trials.items()
    }


def _once_each(series: Iterable[_Series]) -> list[_Series]:
    """In the simulation the same seed gives the same trials, so a second run of them is no further
    evidence: of such series the longest counts, of equal ones the latest."""
    counted: dict[object, _Series] = {}
    for one in series:
        same: object = (one.client, one.scenario, one.seed)
        if one.client.combination.startswith("real"):
            same = one.id
        other = counted.get(same)
        if other is None or (one.tally.trials, one.began) >= (other.tally.trials, other.began):
            counted[same] = one
    return [*counted.values()]


def _moment(series: _Series) -> Moment:
    client = series.client
    label = replace(client, name=series.typed, version=series.typed).label
    return Moment(series.began, label, client.version, series.scenario, series.tally)


def _rows(store: Store, counted: Iterable[_Series]) -> tuple[Row, ...]:
    groups: dict[tuple[Client, str], list[_Series]] = defaultdict(list)
    for one in counted:
        groups[one.client, one.scenario].append(one)
    ordered = sorted(groups.items(), key=lambda item: (*item[0][0].order, item[0][1]))
    return tuple(
        Row(
            client,
            scenario,
            Tally.sum([one.tally for one in group]),
            *_times(store, [one.id for one in group]),
            sum(one.wall_ms for one in group) / 1000,
            next((one.void_reason for one in group if one.void_reason is not None), None),
        )
        for (client, scenario), group in ordered
    )


def _times(store: Store, series: Sequence[int]) -> tuple[Quantiles | None, Quantiles | None]:
    """Seconds of `run()` where it was reached, and wall milliseconds of all trials."""
    rows = store.execute(
        "SELECT virtual_s, wall_ms, void IS NULL FROM trials "
        "WHERE series IN (SELECT value FROM json_each(?))",
        (json.dumps(series),),
    )
    values = np.fromiter(chain.from_iterable(rows), np.float64).reshape(-1, 3)
    return _quantiles(values[values[:, 2] == 1, 0]), _quantiles(values[:, 1])


def _quantiles(values: NDArray[np.float64]) -> Quantiles | None:
    if not len(values):
        return None
    shares = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))
    return Quantiles(float(values.mean()), *map(float, shares))


def _campaigns(
    store: Store, chosen: Sequence[str], series: Iterable[_Series]
) -> tuple[Campaign, ...]:
    trials: dict[str, int] = defaultdict(int)
    for one in series:
        trials[one.campaign] += one.tally.trials
    rows = store.execute(
        "SELECT c.id, name, command, began, ended, ending, harness_version, "
        "'Python ' || python || ', ' || system || ', ' || machine || ', ' || cores || ' cores' "
        "FROM campaigns AS c JOIN environments AS e ON e.id = c.environment "
        "WHERE c.id IN (SELECT value FROM json_each(?)) ORDER BY began, c.id",
        (json.dumps(chosen),),
    )
    return tuple(
        Campaign(
            *(identity, name, command, datetime.fromisoformat(began)),
            datetime.fromisoformat(ended) if ended is not None else None,
            *(ending, version, machine, trials[identity]),
        )
        for identity, name, command, began, ended, ending, version, machine in rows
        if trials[identity]
    )


def _place(store: Store) -> str:
    return "the record" if store.path is None else str(store.path)
