"""What a soak found, read from the record: the comparison of `race compare`, and more.

Reading keeps no trial, so a million of them take no more memory than one.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final, Literal

from race_harness.campaign.baseline import Measured
from race_harness.campaign.comparison import ClientSummary, Comparison, Pair, digest_in_order
from race_harness.model.verdict import ORDER, passes
from race_harness.soak.plan import Plan
from race_harness.statistics.counts import Counts
from race_harness.statistics.intervals import Spread, mcnemar_exact, wilson
from race_harness.statistics.sequential import Decision, SequentialTest, rule_of_three
from race_harness.store import tallies
from race_harness.store.series import Key, SeriesRecord
from race_harness.store.store import Store

WORDS: Final[Mapping[Decision, str]] = {
    "undecided": "undecided",
    "accept": "passes",
    "reject": "fails",
}


@dataclass(frozen=True)
class Decided:
    """What is known of one series beyond its pass rate."""

    decision: Decision | None
    """None: the soak has no test."""
    seen: Counts
    """All trials, or, with a test, those that it has seen: the ones of whole batches."""
    test: SequentialTest | None

    @property
    def bound(self) -> float | None:
        """The failure rate that is excluded at 95 % if nothing has failed: 3 / n."""
        none_failed = self.seen.judged and self.seen.passed == self.seen.judged
        return rule_of_three(self.seen.judged) if none_failed else None

    @property
    def word(self) -> str | None:
        return None if self.decision is None else WORDS[self.decision]

    def to_dict(self, client: str) -> dict[str, Any]:
        """The JSON form."""
        test = self.test
        return {
            "client": client,
            "decision": self.word,
            "at": self.seen.judged,
            "failed": self.seen.judged - self.seen.passed,
            "alpha": test and test.alpha,
            "beta": test and test.beta,
            "acceptable": test and test.acceptable,
            "unacceptable": test and test.unacceptable,
            "bound": self.bound,
        }


@dataclass(frozen=True)
class SoakSummary:
    campaign: str
    plan: Plan
    total: Comparison
    """Over all scenarios; with one scenario, what `race compare` says of it."""
    scenarios: Mapping[str, Comparison]
    decisions: Mapping[Key, Decided]
    known: frozenset[Key]
    """The series whose scenario says that this release fails it."""
    measured: Measured | None = None

    @property
    def has_regressed(self) -> bool:
        return self.measured is not None and self.measured.has_regressed

    def has_failed(self, fail_under: float | None, *, strict: bool = False) -> bool:
        """Whether anything failed, or failed too often; or nothing had a verdict at all.

        `strict`: or anything passed with a verdict other than `ok`.
        """
        if strict and any(client.has_passed_apart for client in self.total.clients):
            return True
        rates = [
            client.pass_rate
            for comparison in self.scenarios.values()
            for client in comparison.clients
            if client.pass_rate is not None
        ]
        return not rates or min(rates) < (1.0 if fail_under is None else fail_under)

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: that of a comparison over all scenarios, and one for each."""
        return {
            **self.total.to_dict(),
            "campaign": self.campaign,
            "baseline": self.measured.to_dict() if self.measured is not None else None,
            "scenarios": [
                {
                    **comparison.to_dict(),
                    "decisions": [
                        self.decisions[Key(name, position)].to_dict(client.argument)
                        for position, client in enumerate(self.plan.clients)
                        if Key(name, position) in self.decisions
                    ],
                    "known_to_fail": [
                        client.argument
                        for position, client in enumerate(self.plan.clients)
                        if Key(name, position) in self.known
                    ],
                    "regressions": self._regressions(name),
                }
                for name, comparison in self.scenarios.items()
            ],
        }

    def _regressions(self, scenario: str) -> list[dict[str, Any]]:
        if self.measured is None:
            return []
        return [
            {
                "client": self.plan.clients[key.position].argument,
                "measure": one.measure,
                "test": one.test,
                "p_value": one.p_value,
                "effect": one.effect,
            }
            for key, against in self.measured.series.items()
            if key.scenario == scenario
            for one in against.regressions
        ]


def summarise(
    campaign: str,
    plan: Plan,
    store: Store,
    records: Mapping[Key, SeriesRecord],
    *,
    decisions: Mapping[Key, tuple[Decision, Counts]],
    speeds: Mapping[Key, float],
    known: frozenset[Key] = frozenset(),
    measured: Measured | None = None,
) -> SoakSummary:
    """The summary of a campaign in the store.

    `records` has its series; those of other shards may be missing. `speeds` are trials a wall
    second, for the series where that was measured.
    """
    reader = _Reader(plan, store, records, speeds)
    scenarios = {name: reader.comparison([name]) for name in plan.scenarios}
    only = len(scenarios) == 1
    total = next(iter(scenarios.values())) if only else reader.comparison(plan.scenarios)
    return SoakSummary(
        campaign=campaign,
        plan=plan,
        total=total,
        scenarios=scenarios,
        decisions={
            key: Decided(*decisions[key], plan.test)
            if plan.test is not None and key in decisions
            else Decided(None, Counts(*record.counts()), None)
            for key, record in records.items()
        },
        known=known,
        measured=measured,
    )


class _Reader:
    def __init__(
        self,
        plan: Plan,
        store: Store,
        records: Mapping[Key, SeriesRecord],
        speeds: Mapping[Key, float],
    ) -> None:
        self._plan = plan
        self._store = store
        self._records = records
        self._speeds = speeds

    def comparison(self, names: Sequence[str]) -> Comparison:
        """All clients over these scenarios."""
        plan = self._plan
        positions = [
            position
            for position in range(len(plan.clients))
            if any(Key(name, position) in self._records for name in names)
        ]
        return Comparison(
            scenario=", ".join(names),
            seed=plan.seed,
            clients=tuple(self._client(names, position) for position in positions),
            pairs=tuple(self._pair(names, a, b) for a, b in combinations(positions, 2)),
            world=plan.world,
            server=self._server(),
        )

    def _client(self, names: Sequence[str], position: int) -> ClientSummary:
        keys = [key for name in names if (key := Key(name, position)) in self._records]
        ids = [self._records[key].id for key in keys]
        verdicts: Counter[str] = Counter()
        passed = judged = 0
        for several, count in tallies.verdicts_of(self._store, ids):
            judged += count
            passed += count * passes(several)
            verdicts.update(dict.fromkeys(several, count))
        reps = tallies.trials_of(self._store, ids)
        client = self._plan.clients[position]
        return ClientSummary(
            client=client.argument,
            resolved_version=client.resolved_version,
            reps=reps,
            passed=passed,
            pass_rate=passed / judged if judged else None,
            ci95=wilson(passed, judged),
            verdicts={name: verdicts[name] for name in sorted(verdicts, key=ORDER.index)},
            void=reps - judged,
            undone=tallies.undone_in(self._store, ids),
            wall_ms=self._spread("wall_ms", ids, reps),
            virtual_s=self._spread("virtual_s", ids, judged),
            trials_per_s=_together([self._speeds.get(key, 0.0) for key in keys]),
            campaign_digest=self._digest(keys),
            first_failure=tallies.first_failure(self._store, ids),
        )

    def _pair(self, names: Sequence[str], a: int, b: int) -> Pair:
        only_a = only_b = both = 0
        for name in names:
            records = self._records.get(Key(name, a)), self._records.get(Key(name, b))
            if None in records:
                continue
            one, other = (record.id for record in records if record is not None)
            cells = tallies.side_by_side(self._store, one, other)
            only_a += cells.get((False, True), 0)
            only_b += cells.get((True, False), 0)
            both += cells.get((False, False), 0)
        clients = self._plan.clients
        names_of = clients[a].argument, clients[b].argument
        return Pair(*names_of, only_a, only_b, both, mcnemar_exact(only_a, only_b))

    def _spread(
        self, column: Literal["wall_ms", "virtual_s"], ids: Sequence[int], count: int
    ) -> Spread | None:
        if not count:
            return None
        return Spread.of_ordered(tallies.in_order(self._store, column, ids), count)

    def _digest(self, keys: Sequence[Key]) -> str:
        """The digest of a single series; for several, a digest over theirs."""
        digests = [digest_in_order(self._records[key].results()) for key in keys]
        if len(digests) == 1:
            return digests[0]
        return hashlib.blake2b("\n".join(digests).encode(), digest_size=16).hexdigest()

    def _server(self) -> str:
        ids = [record.id for record in self._records.values()]
        return " and ".join(tallies.servers_of(self._store, ids))


def _together(speeds: Sequence[float]) -> float:
    """The speed of several series, as if each had as many trials as the others."""
    measured = [speed for speed in speeds if speed > 0]
    return len(measured) / sum(1 / speed for speed in measured) if measured else 0.0
