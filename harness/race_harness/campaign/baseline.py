"""The baseline of a campaign: another campaign, in the same record or in another one."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from race_harness.model.errors import UsageError
from race_harness.search.draw import BATCH
from race_harness.statistics.regression import (
    ALPHA,
    EFFECT,
    BaselineTest,
    Paired,
    batch_rates,
    batch_times,
    judge,
    paired_rates,
    paired_times,
)
from race_harness.store.campaigns import SOAK, campaigns_named, every_campaign, last_drawn
from race_harness.store.samples import Sample, samples
from race_harness.store.series import Key
from race_harness.store.store import Store


@dataclass(frozen=True)
class Baseline:
    campaign: str
    name: str | None
    began: str
    """UTC, ISO 8601."""
    record: str
    samples: tuple[Sample, ...]

    def of(self, now: Sample, alone: bool) -> Sample | None:
        """The series to compare with: the same scenario, world and kind of server, and the same
        client argument. Or, if both campaigns have a single client (`alone`), that one: last
        night's checkout may have been in another place."""
        alike = [
            then
            for then in self.samples
            if (then.scenario, then.world, then.server) == (now.scenario, now.world, now.server)
        ]
        for then in alike:
            if then.client == now.client:
                return then
        alone = alone and len({then.position for then in self.samples}) == 1
        return alike[0] if alone and alike else None


def find_baseline(text: str, record: Store, own: str | None = None) -> Baseline:
    """The campaign that `text` means: the last soak of another record, or else its last campaign
    with drawn schedules; or a campaign of this record, by its name or the beginning of its id.

    `own` is the campaign to compare, which is never its own baseline. The other record stays open
    as long as the baseline is in use.

    Raises:
        UsageError: there is none, or several ids begin like this.
    """
    path = Path(text).expanduser()
    if path.is_file():
        store = Store(path, must_exist=True)
        chosen = every_campaign(store)
    else:
        store = record
        chosen = campaigns_named(store, text)
    found = last_drawn(store, chosen, but=own, first_of=SOAK)
    if found is None and path.is_file():
        raise UsageError(f"no baseline in {text}: it has no other campaign with drawn schedules")
    if found is None:
        raise UsageError(
            f"no baseline {text!r}: it is neither a record nor the id or name of another campaign "
            f"in {store.path or 'this record'}"
        )
    place = str(store.path or "")
    return Baseline(*found, place, tuple(samples(store, found.id)))


@dataclass(frozen=True)
class Against:
    """One series beside its baseline."""

    key: Key
    then: Sample
    comparisons: tuple[BaselineTest, ...]
    regressions: tuple[BaselineTest, ...]
    wall_ms: tuple[float | None, float | None]
    """Means of the baseline and of now: shown, but never judged."""
    passed_apart: tuple[int, int]
    """Trials that passed with a verdict other than `ok`; also only shown."""

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        then, now = self.wall_ms
        apart_then, apart_now = self.passed_apart
        return {
            "scenario": self.key.scenario,
            "position": self.key.position,
            "client": self.then.client,
            "resolved_version": self.then.resolved_version,
            "tests": [
                {**asdict(one), "regression": one in self.regressions} for one in self.comparisons
            ],
            "wall_ms": {"then": then, "now": now},
            "passed_apart": {"then": apart_then, "now": apart_now},
        }


@dataclass(frozen=True)
class Measured:
    """A whole campaign beside its baseline."""

    baseline: Baseline
    series: Mapping[Key, Against]
    """The series that both have."""

    @property
    def has_regressed(self) -> bool:
        return any(against.regressions for against in self.series.values())

    def to_dict(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "campaign": self.baseline.campaign,
            "name": self.baseline.name,
            "began": self.baseline.began,
            "record": self.baseline.record,
            "alpha": ALPHA,
            "effect": EFFECT,
            "series": [against.to_dict() for against in self.series.values()],
        }


def measure(now: Sequence[Sample], baseline: Baseline) -> Measured:
    """Compare every series that both have, and judge all of them together."""
    alone = len({sample.position for sample in now}) == 1
    beside = [(one, then) for one in now if (then := baseline.of(one, alone)) is not None]
    found = [_compared(then, one) for one, then in beside]
    verdicts = iter(judge([comparison for several in found for comparison in several]))
    series = {}
    for (one, then), comparisons in zip(beside, found, strict=True):
        key = Key(one.scenario, one.position)
        regressions = tuple(comparison for comparison in comparisons if next(verdicts))
        wall_ms = then.wall_ms(), one.wall_ms()
        apart = then.passed_apart(), one.passed_apart()
        series[key] = Against(key, then, tuple(comparisons), regressions, wall_ms, apart)
    return Measured(baseline, series)


def _compared(then: Sample, now: Sample) -> list[BaselineTest]:
    if then.seed == now.seed and _same_schedules(then, now):
        both = paired_rates(_paired(then, now)), paired_times(then.times(), now.times())
    else:
        rates = batch_rates(list(then.batches(BATCH)), list(now.batches(BATCH)))
        both = rates, batch_times(list(then.batched_times(BATCH)), list(now.batched_times(BATCH)))
    return [one for one in both if one is not None]


def _same_schedules(then: Sample, now: Sample) -> bool:
    """Whether trials of the same number and seed have the same schedule: the file of a user's own
    scenario may have changed."""
    before, after = then.schedules(), now.schedules()
    return all(before[number] == after[number] for number in before.keys() & after.keys())


def _paired(then: Sample, now: Sample) -> Paired:
    """The trials that both have: with the same seed, either may have stopped earlier."""
    before = dict(then.outcomes())
    cells = Counter(
        (before[number], passed) for number, passed in now.outcomes() if number in before
    )
    return Paired(
        only_then=cells[False, True],
        only_now=cells[True, False],
        neither=cells[True, True],
        both=cells[False, False],
    )
