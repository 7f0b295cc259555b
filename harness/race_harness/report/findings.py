"""The failures of a record by cause: confirmed ones first, and one told whole for each cause."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from race_harness.model.confirmation import Confirmation
from race_harness.model.confirmation import rank as rank_of
from race_harness.model.evidence import Cause, Evidence
from race_harness.model.failure import Failure
from race_harness.model.verdict import ORDER
from race_harness.report.view import ClientView, FindingView, Seen
from race_harness.store import contents
from race_harness.store.store import Store

TOLD: Final = 40
"""Findings that are told whole; the others only say what they were and how to replay them."""


def findings(
    store: Store, series: Mapping[int, tuple[ClientView, str]]
) -> tuple[FindingView, ...]:
    """The findings of these series, each of which is given with its client and scenario."""
    causes: dict[str, list[tuple[Seen, int]]] = defaultdict(list)
    verdicts: dict[str, tuple[str, ...]] = {}
    kinds: dict[str, Cause] = {}
    for row in contents.failures(store, [*series]):
        rank = _rank(row.confirmed)
        drawn = bool(row.drawn)
        one = Seen(row.id, *series[row.series], drawn, row.path, rank, typed=row.client)
        causes[row.cause].append((one, row.size))
        verdicts[row.cause] = tuple(json.loads(row.verdicts))
        kinds[row.cause] = Cause.of(tuple(map(Evidence.from_dict, json.loads(row.evidence))))
    ordered = sorted(
        causes, key=lambda cause: _order(verdicts[cause], [one for one, _ in causes[cause]])
    )
    return tuple(
        _finding(store, kinds[cause], verdicts[cause], causes[cause], told=place < TOLD)
        for place, cause in enumerate(ordered)
    )


def _rank(confirmed: str | None) -> int:
    return rank_of(
        {name: Confirmation.from_dict(one) for name, one in json.loads(confirmed or "{}").items()}
    )


def _order(verdicts: tuple[str, ...], seen: Iterable[Seen]) -> tuple[int, int, int]:
    several = [*seen]
    gravity = ORDER.index(verdicts[0]) if verdicts[0] in ORDER else len(ORDER)
    return min(one.rank for one in several), gravity, -len(several)


def _finding(
    store: Store,
    cause: Cause,
    verdicts: tuple[str, ...],
    kept: list[tuple[Seen, int]],
    *,
    told: bool,
) -> FindingView:
    # People care most about the newest client, and the shortest story is the clearest.
    by_age = sorted({one.client for one, _ in kept}, key=lambda client: client.order)
    age = {client: -place for place, client in enumerate(by_age)}
    best = sorted(kept, key=lambda pair: (pair[0].rank, age[pair[0].client], pair[1]))
    seen: dict[tuple[ClientView, str, bool], Seen] = {}
    for one, _ in best:
        seen.setdefault((one.client, one.scenario, one.drawn), one)
    first = best[0][0]
    document = ""
    if told:
        document = contents.document(store, first.id)
    return FindingView(
        cause,
        verdicts,
        len(kept),
        tuple(seen.values()),
        Failure.from_json(document, f"failure {first.id} of the record") if told else None,
        document,
    )
