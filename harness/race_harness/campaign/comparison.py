"""What a campaign found: each client in numbers, and each two clients on the same schedules.

Trials with equal index ran the same schedule on every client. So clients are compared trial by
trial, which tells a real difference from an easy or a hard seed.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from race_harness.model.verdict import ORDER, PASSING, TrialResult
from race_harness.statistics.intervals import Spread, mcnemar_exact, wilson

SCHEMA = 1


@dataclass(frozen=True)
class ClientSummary:
    """All trials of one client. Void trials count in `reps` and `void`, and in no rate."""

    client: str
    """The client as typed."""
    resolved_version: str
    reps: int
    passed: int
    pass_rate: float | None
    """`passed / (reps - void)`, in 0..1; None if no trial had a verdict."""
    ci95: tuple[float, float]
    """Wilson interval of the pass rate."""
    verdicts: dict[str, int]
    """Trials by verdict, gravest first. A trial with two verdicts counts under both."""
    void: int
    undone: int
    """Trials in which a run or an act of the schedule did not happen."""
    wall_ms: Spread | None
    """Wall milliseconds of a repetition, void ones included; None without repetitions."""
    virtual_s: Spread | None
    """Virtual seconds of `run()`; None if no trial reached it."""
    trials_per_s: float
    campaign_digest: str
    first_failure: str | None
    """Path of the failure file of the first failing trial."""
    grades: dict[str, int] | None = None
    """For a test: how many of its failures have each grade."""
    strategies: dict[str, tuple[int, int]] | None = None
    """For a test: by strategy, how many trials failed and how many there were."""

    def has_passed(self, *, strict: bool = False) -> bool:
        """Whether every trial passed; `strict`: with `ok`."""
        return self.passed == self.reps and not (strict and self.has_passed_apart)

    @property
    def has_passed_apart(self) -> bool:
        """Whether a trial passed with a verdict other than `ok`."""
        return any(self.verdicts.get(verdict) for verdict in PASSING if verdict != "ok")

    def to_dict(self) -> dict[str, Any]:
        """The JSON form: the fields by name, `ci95` as `[low, high]`."""
        known = {**asdict(self), "ci95": list(self.ci95)}
        of_tests = ("grades", "strategies")
        return {name: value for name, value in known.items() if value or name not in of_tests}


@dataclass(frozen=True)
class Pair:
    """Clients A and B on the same schedules, without those on which a trial of either is void."""

    a: str
    b: str
    only_a: int
    """Schedules that failed in A only."""
    only_b: int
    both: int
    p_value: float
    """McNemar's exact test."""


@dataclass(frozen=True)
class Comparison:
    """A whole campaign, clients in the order in which they were named."""

    scenario: str
    seed: int
    clients: tuple[ClientSummary, ...]
    pairs: tuple[Pair, ...]
    world: str = "sim"
    server: str = "fake"
    is_test: bool = False
    """Whether `scenario` is the name of one of the user's own tests."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "schema": SCHEMA,
            "test" if self.is_test else "scenario": self.scenario,
            "seed": self.seed,
            "world": self.world,
            "server": self.server,
            "clients": [client.to_dict() for client in self.clients],
            "pairs": [asdict(pair) for pair in self.pairs],
        }


def summarise(
    client: str,
    resolved_version: str,
    results: Sequence[TrialResult],
    elapsed_s: float,
    first_failure: str | None,
) -> ClientSummary:
    """The summary of one client's trials, which may come in any order.

    `elapsed_s` is the wall time that all of them took together, on however many cores.
    """
    judged = [result for result in results if result.void is None]
    passed = sum(result.passed for result in judged)
    counts = Counter(verdict for result in judged for verdict in result.verdicts)
    return ClientSummary(
        client=client,
        resolved_version=resolved_version,
        reps=len(results),
        passed=passed,
        pass_rate=passed / len(judged) if judged else None,
        ci95=wilson(passed, len(judged)),
        verdicts={verdict: counts[verdict] for verdict in sorted(counts, key=ORDER.index)},
        void=len(results) - len(judged),
        undone=sum(result.undone > 0 for result in judged),
        wall_ms=_spread(result.wall_ms for result in results),
        virtual_s=_spread(result.virtual_s for result in judged),
        trials_per_s=len(results) / elapsed_s if elapsed_s > 0 else 0.0,
        campaign_digest=campaign_digest(results),
        first_failure=first_failure,
    )


def campaign_digest(results: Iterable[TrialResult]) -> str:
    """One digest of what every trial did, without how long it took or when its result came.

    Two campaigns with equal digests did the same, whatever their number of workers.
    """
    return digest_in_order(sorted(results, key=lambda result: result.index))


def digest_in_order(results: Iterable[TrialResult]) -> str:
    """The same digest, for results in the order of their numbers; it keeps none of them."""
    digest = hashlib.blake2b(digest_size=16)
    for result in results:
        entry = [result.index, result.digest, result.verdicts, result.void and result.void.says]
        digest.update(json.dumps(entry).encode() + b"\n")
    return digest.hexdigest()


def compare(
    scenario: str,
    seed: int,
    clients: Sequence[tuple[ClientSummary, Sequence[TrialResult]]],
    *,
    world: str = "sim",
    server: str = "fake",
    is_test: bool = False,
) -> Comparison:
    """The comparison of all clients, with a pair for every two of them, in the given order."""
    return Comparison(
        scenario=scenario,
        seed=seed,
        clients=tuple(summary for summary, _ in clients),
        pairs=tuple(
            _pair(a.client, b.client, results_a, results_b)
            for (a, results_a), (b, results_b) in combinations(clients, 2)
        ),
        world=world,
        server=server,
        is_test=is_test,
    )


def _pair(
    a: str, b: str, results_a: Sequence[TrialResult], results_b: Sequence[TrialResult]
) -> Pair:
    failed_a = {result.index: not result.passed for result in results_a if result.void is None}
    failed_b = {result.index: not result.passed for result in results_b if result.void is None}
    cells = Counter((failed_a[index], failed_b[index]) for index in failed_a.keys() & failed_b)
    only_a, only_b = cells[True, False], cells[False, True]
    return Pair(a, b, only_a, only_b, cells[True, True], mcnemar_exact(only_a, only_b))


def _spread(values: Iterable[float]) -> Spread | None:
    present = list(values)
    return Spread.of(present) if present else None
