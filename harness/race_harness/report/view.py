"""What a report says, before it has a form: plain values, however many trials there were."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final

from packaging.version import InvalidVersion, Version

from race_harness.model.evidence import Cause
from race_harness.model.failure import Failure
from race_harness.model.verdict import ORDER
from race_harness.statistics.intervals import wilson

SIM_FAKE: Final = "sim×fake"
"""The usual combination, which labels leave out."""


@dataclass(frozen=True)
class TrialTally:
    """Counts of trials. Void ones count in `trials` and `void`, and in no rate."""

    trials: int
    passed: int
    void: int
    verdicts: Mapping[str, int]
    """Trials by verdict, gravest first; a trial with two verdicts counts under both."""

    @property
    def judged(self) -> int:
        return self.trials - self.void

    @property
    def failed(self) -> int:
        return self.judged - self.passed

    @property
    def rate(self) -> float | None:
        """The pass rate in 0..1; None if no trial had a verdict."""
        return self.passed / self.judged if self.judged else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the rate."""
        return wilson(self.passed, self.judged)

    @staticmethod
    def sum(tallies: "list[TrialTally]") -> "TrialTally":
        verdicts: dict[str, int] = {}
        for tally in tallies:
            for verdict, count in tally.verdicts.items():
                verdicts[verdict] = verdicts.get(verdict, 0) + count
        return TrialTally(
            sum(tally.trials for tally in tallies),
            sum(tally.passed for tally in tallies),
            sum(tally.void for tally in tallies),
            {verdict: verdicts[verdict] for verdict in ORDER if verdict in verdicts},
        )


@dataclass(frozen=True)
class Quantiles:
    """A distribution, in the unit of its values."""

    mean: float
    p5: float
    p25: float
    p50: float
    p75: float
    p95: float


@dataclass(frozen=True)
class ClientView:
    """A client in a combination: all that tells two rates apart."""

    name: str
    """The version, or the argument as typed, followed by the version."""
    version: str
    combination: str
    server_version: str = ""

    @property
    def label(self) -> str:
        if self.combination == SIM_FAKE:
            return self.name
        told = ":" in self.combination or self.server_version in ("", self.version)
        server = "" if told else f" {self.server_version}"
        return f"{self.name}, {self.combination}{server}"

    @property
    def order(self) -> tuple[object, ...]:
        """A sort key: releases by version, then the other clients by name."""
        return (self.combination != SIM_FAKE, self.combination, *version_order(self.version), self)

    def __lt__(self, other: "ClientView") -> bool:
        return (self.name, self.server_version) < (other.name, other.server_version)


def version_order(version: str) -> tuple[bool, Version, str]:
    """A sort key for versions; a text that is no version comes last."""
    try:
        return False, Version(version), ""
    except InvalidVersion:
        return True, Version("0"), version


@dataclass(frozen=True)
class TrendPoint:
    """What one campaign found for a client and scenario."""

    began: datetime
    client: str
    """As typed, so that `latest` is one line over time."""
    version: str
    scenario: str
    tally: TrialTally


@dataclass(frozen=True)
class RateRow:
    """A client on a scenario, over all campaigns."""

    client: ClientView
    scenario: str
    tally: TrialTally
    virtual_s: Quantiles | None
    """Seconds of `run()`: virtual ones, in the real world wall seconds; None: it was never
    reached."""
    wall_ms: Quantiles | None
    wall_total_s: float
    void_reason: str | None
    """The reason of one of the void trials."""


@dataclass(frozen=True)
class Skipped:
    """A scenario that was wanted on a client and has no trial."""

    client: ClientView
    scenario: str
    reason: str


@dataclass(frozen=True)
class CampaignView:
    id: str
    name: str | None
    command: str
    began: datetime
    ended: datetime | None
    ending: str | None
    harness_version: str
    machine: str
    """Python, system, processor and cores."""
    trials: int


@dataclass(frozen=True)
class Seen:
    """A failure that was kept, and where it was seen."""

    id: int
    client: ClientView
    scenario: str
    drawn: bool
    """Whether its schedule was drawn as a sample; others were searched or given."""
    path: str | None
    rank: int
    """As `model.confirmation.rank`."""
    typed: str = "latest"
    """The client's argument; a file with its whole path."""


@dataclass(frozen=True)
class FindingView:
    """The failures of one cause."""

    cause: Cause
    verdicts: tuple[str, ...]
    """Gravest first."""
    kept: int
    seen: tuple[Seen, ...]
    """One for each client and scenario, the most telling first; `failure` is that of the first."""
    failure: Failure | None
    """None: there are too many findings to tell all of them."""
    document: str
    """The text of its file."""

    @property
    def causes(self) -> list[tuple[str, str]]:
        """Each verdict with what its evidence says, with `N` for numbers."""
        # Markdown would take `#` for an issue number.
        return [(kind.verdict, kind.kind_says.replace("#", "N")) for kind in self.cause.kinds]

    @property
    def searched(self) -> bool:
        """Whether no sample has shown it."""
        return not any(one.drawn for one in self.seen)


@dataclass(frozen=True)
class Change:
    """Something that is worse than in the baseline."""

    kind: str
    """Such as `pass rate`, `virtual time`."""
    client: str
    scenario: str
    before: str
    after: str
    p: float


@dataclass(frozen=True)
class Changes:
    """A comparison with a baseline."""

    baseline: str
    """What it was compared with, in words."""
    regressions: tuple[Change, ...]


@dataclass(frozen=True)
class RecordView:
    campaigns: tuple[CampaignView, ...]
    """Oldest first."""
    rows: tuple[RateRow, ...]
    """Rates of samples only, by client and scenario."""
    moments: tuple[TrendPoint, ...]
    """Campaigns' rates of samples, oldest first."""
    findings: tuple[FindingView, ...]
    """Confirmed ones first."""
    searched: int = 0
    """Trials of schedules that were searched or given: in no rate."""
    repeated: int = 0
    """Trials that repeat, with the same seed, trials that count already: in no rate."""
    skipped: tuple[Skipped, ...] = ()
    """Clients and scenarios that have no row."""
    changes: Changes | None = None
    source: str = field(default="")
    """The record's file."""

    @cached_property
    def tally(self) -> TrialTally:
        return TrialTally.sum([row.tally for row in self.rows])

    @cached_property
    def clients(self) -> tuple[ClientView, ...]:
        return tuple(sorted({row.client for row in self.rows}, key=lambda client: client.order))

    @cached_property
    def scenarios(self) -> tuple[str, ...]:
        return tuple(sorted({row.scenario for row in self.rows}))

    @cached_property
    def failing(self) -> tuple[RateRow, ...]:
        """Rows with a failure, or without any verdict; lowest rate first."""
        bad = [row for row in self.rows if row.tally.failed or not row.tally.judged]
        return tuple(sorted(bad, key=lambda row: (row.tally.rate is None, row.tally.rate)))

    @cached_property
    def passing(self) -> tuple[RateRow, ...]:
        return tuple(row for row in self.rows if not row.tally.failed and row.tally.judged)

    @cached_property
    def cells(self) -> dict[tuple[ClientView, str], RateRow]:
        return {(row.client, row.scenario): row for row in self.rows}
