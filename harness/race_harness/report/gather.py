"""Reads a record into the view of a report.

SQLite counts and numpy measures; however many trials there are, only a few values for each client
and scenario stay in memory.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from race_harness.campaign.resolve import INSTALLED
from race_harness.model.combination import Combination
from race_harness.model.errors import UsageError
from race_harness.model.verdict import ORDER, passes
from race_harness.report.findings import findings
from race_harness.report.view import (
    CampaignView,
    ClientView,
    Quantiles,
    RateRow,
    RecordView,
    Skipped,
    TrendPoint,
    TrialTally,
)
from race_harness.store import contents
from race_harness.store.campaigns import campaigns_named, every_campaign, latest_names
from race_harness.store.store import Store


def gather(store: Store, campaigns: Sequence[str] = ()) -> RecordView:
    """The view of the whole record, or of these campaigns: names, ids, or beginnings of ids.

    It shows one moment, even if others write meanwhile.

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
        return RecordView(
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
    client: ClientView
    scenario: str
    seed: int
    drawn: int
    in_real_time: bool
    tally: TrialTally
    wall_ms: float
    void_reason: str | None


def find_campaign(store: Store, named: str) -> list[str]:
    """The ids of the campaigns of that name, or the one id that is the name or begins with it.

    Raises:
        UsageError: there is none, or several ids begin with it.
    """
    found = campaigns_named(store, named)
    if not found:
        latest = ", ".join(latest_names(store, 5)) or "none at all"
        raise UsageError(f"no campaign {named!r} in {_place(store)}; the latest there: {latest}")
    return found


def _chosen(store: Store, campaigns: Sequence[str]) -> list[str]:
    if campaigns:
        return [*dict.fromkeys(one for named in campaigns for one in find_campaign(store, named))]
    return every_campaign(store)


def _series(store: Store, chosen: Sequence[str]) -> list[_Series]:
    """The series that have trials."""
    tallies = _tallies(store, chosen)
    found = []
    for one in contents.series(store, chosen):
        if one.id not in tallies:
            continue
        tally, wall_ms, void_reason = tallies[one.id]
        found.append(
            _Series(
                id=one.id,
                campaign=one.campaign,
                began=datetime.fromisoformat(one.began),
                typed=one.client,
                client=_client(one),
                scenario=one.scenario,
                seed=one.seed,
                drawn=one.drawn,
                in_real_time=Combination.of(one.world, one.server).in_real_time,
                tally=tally,
                wall_ms=wall_ms,
                void_reason=void_reason,
            )
        )
    return found


def _client(one: contents.SeriesRow) -> ClientView:
    combination = str(Combination.of(one.world, one.server))
    name = _name(one.client, one.resolved_version)
    return ClientView(name, one.resolved_version, combination, one.server_version)


def _skipped(
    store: Store, chosen: Sequence[str], run: Container[tuple[ClientView, str]]
) -> Iterator[Skipped]:
    """The skipped series that no other campaign has run, each once, with the latest reason."""
    found: dict[tuple[ClientView, str], str] = {}
    for one in contents.series(store, chosen):
        client = _client(one)
        if one.skipped is not None and (client, one.scenario) not in run:
            found[client, one.scenario] = one.skipped
    for (client, scenario), reason in found.items():
        yield Skipped(client, scenario, reason)


def _name(typed: str, version: str) -> str:
    """The client's name; where the argument may mean another version later, with the version."""
    return version if typed in (version, "latest", INSTALLED) else f"{typed} ({version})"


def _tallies(
    store: Store, chosen: Sequence[str]
) -> dict[int, tuple[TrialTally, float, str | None]]:
    """For each series: its tally, total wall milliseconds, and why one of its trials is void."""
    counts: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    passed: dict[int, int] = defaultdict(int)
    void: dict[int, int] = defaultdict(int)
    trials: dict[int, int] = defaultdict(int)
    wall_ms: dict[int, float] = defaultdict(float)
    reasons: dict[int, str] = {}
    for series, verdicts, count, voids, wall, reason in contents.trials(store, chosen):
        trials[series] += count
        void[series] += voids
        wall_ms[series] += wall
        if reason is not None:
            reasons[series] = reason.says
        judged = count - voids
        if passes(verdicts):
            passed[series] += judged
        for verdict in verdicts:
            counts[series][verdict] += judged
    return {
        series: (
            TrialTally(
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
    """The series that count. In the simulation the same seed gives the same trials, so running
    them again adds no evidence: of such series the longest counts, or the latest of equals."""
    counted: dict[object, _Series] = {}
    for one in series:
        same: object = (one.client, one.scenario, one.seed)
        if one.in_real_time:
            same = one.id
        other = counted.get(same)
        if other is None or (one.tally.trials, one.began) >= (other.tally.trials, other.began):
            counted[same] = one
    return [*counted.values()]


def _moment(series: _Series) -> TrendPoint:
    client = series.client
    label = replace(client, name=series.typed, version=series.typed).label
    return TrendPoint(series.began, label, client.version, series.scenario, series.tally)


def _rows(store: Store, counted: Iterable[_Series]) -> tuple[RateRow, ...]:
    groups: dict[tuple[ClientView, str], list[_Series]] = defaultdict(list)
    for one in counted:
        groups[one.client, one.scenario].append(one)
    ordered = sorted(groups.items(), key=lambda item: (*item[0][0].order, item[0][1]))
    return tuple(
        RateRow(
            client,
            scenario,
            TrialTally.sum([one.tally for one in group]),
            *_times(store, [one.id for one in group]),
            sum(one.wall_ms for one in group) / 1000,
            next((one.void_reason for one in group if one.void_reason is not None), None),
        )
        for (client, scenario), group in ordered
    )


def _times(store: Store, series: Sequence[int]) -> tuple[Quantiles | None, Quantiles | None]:
    """Seconds of `run()` in trials that reached it, and wall milliseconds of all trials."""
    times = chain.from_iterable(contents.times(store, series))
    values = np.fromiter(times, np.float64).reshape(-1, 3)
    return _quantiles(values[values[:, 2] == 1, 0]), _quantiles(values[:, 1])


def _quantiles(values: NDArray[np.float64]) -> Quantiles | None:
    if not len(values):
        return None
    shares = np.quantile(values, (0.05, 0.25, 0.5, 0.75, 0.95))
    return Quantiles(float(values.mean()), *map(float, shares))


def _campaigns(
    store: Store, chosen: Sequence[str], series: Iterable[_Series]
) -> tuple[CampaignView, ...]:
    trials: dict[str, int] = defaultdict(int)
    for one in series:
        trials[one.campaign] += one.tally.trials
    return tuple(
        CampaignView(
            *(identity, name, command, datetime.fromisoformat(began)),
            datetime.fromisoformat(ended) if ended is not None else None,
            *(ending, version, machine, trials[identity]),
        )
        for identity, name, command, began, ended, ending, version, machine in contents.campaigns(
            store, chosen
        )
        if trials[identity]
    )


def _place(store: Store) -> str:
    return "the record" if store.path is None else str(store.path)
