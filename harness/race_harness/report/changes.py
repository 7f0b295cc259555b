"""What is worse than in a baseline: the tests of `race soak` on the campaign of a report."""

from race_harness.campaign.baseline import Against, find_baseline, measure
from race_harness.model.errors import UsageError
from race_harness.report.gather import find_campaign
from race_harness.report.view import Change, Changes
from race_harness.statistics.phrases import number, rate
from race_harness.statistics.regression import BaselineTest
from race_harness.store.campaigns import last_drawn
from race_harness.store.samples import Sample, samples
from race_harness.store.store import Store


def changes(store: Store, baseline: str, campaign: str | None = None) -> Changes:
    """Compare the last campaign that drew schedules, or this one, with a baseline, as `race soak
    --baseline` does; it takes both texts in the same form.

    Raises:
        UsageError: there is no such campaign, or no baseline.
    """
    chosen = find_campaign(store, campaign)[-1] if campaign is not None else _last(store)
    found = find_baseline(baseline, store, own=chosen)
    now = samples(store, chosen)
    measured = measure(now, found)
    by_place = {(one.scenario, one.position): one for one in now}
    worse = [
        _change(against, by_place[key.scenario, key.position], comparison)
        for key, against in measured.series.items()
        for comparison in against.regressions
    ]
    return Changes(found.name or f"{found.campaign[:8]} of {found.began[:10]}", tuple(worse))


def _last(store: Store) -> str:
    last = last_drawn(store)
    if last is None:
        raise UsageError("nothing to compare with a baseline: no campaign has drawn schedules")
    return last.id


def _change(against: Against, now: Sample, comparison: BaselineTest) -> Change:
    tell = _rate if comparison.measure == "pass rate" else _median
    return Change(
        comparison.measure,
        now.resolved_version,
        now.scenario,
        f"{tell(against.then)} ({against.then.resolved_version})",
        tell(now),
        comparison.p_value,
    )


def _rate(sample: Sample) -> str:
    counts = sample.counts()
    return rate(counts.passed, counts.judged)


def _median(sample: Sample) -> str:
    times = sorted(sample.times())
    return f"median {number(times[len(times) // 2])} s"
