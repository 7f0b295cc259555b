"""The baseline: which campaign is meant, what is compared with what, and what is judged."""

from dataclasses import replace
from pathlib import Path

import pytest
from soak_rig import PLAN, Disorderly, all_ok, run

from race_harness.campaign.baseline import find_baseline, measure, samples
from race_harness.model.errors import UsageError
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import TrialResult
from race_harness.soak.plan import Plan, PlannedClient
from race_harness.store.series import Key, Series
from race_harness.store.store import CampaignRecord, Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "record.db")


def some_fail(key: Key, number: int) -> str:
    return "late" if key == ("two", 0) and number % 10 == 0 else "ok"


def begun(store: Store, name: str | None = None, plan: Plan = PLAN) -> CampaignRecord:
    return store.campaign("soak", plan.to_dict(), name=name)


def test_a_rate_that_fell_is_found_where_it_fell_and_nowhere_else(
    store: Store, tmp_path: Path
) -> None:
    run(begun(store, "good"), Disorderly(all_ok), tmp_path)
    now = begun(store)
    run(now, Disorderly(some_fail), tmp_path)
    measured = measure(samples(store, now.id), find_baseline("good", store, now.id))
    assert set(measured.series) == set(PLAN.keys)
    regressed = {key for key, against in measured.series.items() if against.regressions}
    assert regressed == {("two", 0)}
    (found,) = measured.series[Key("two", 0)].regressions
    assert (found.measure, found.test) == ("pass rate", "McNemar exact")
    assert found.p_value == pytest.approx(0.5**25)
    assert measured.has_regressed
    assert measured.to_dict()["series"][1]["tests"][0]["regression"]


def test_the_same_again_and_better_are_no_regressions(store: Store, tmp_path: Path) -> None:
    for name, verdict in (("then", some_fail), ("same", some_fail), ("better", all_ok)):
        run(begun(store, name), Disorderly(verdict), tmp_path)
    then = find_baseline("then", store)
    for name in ("same", "better"):
        now = find_baseline(name, store)
        assert not measure(now.samples, then).has_regressed


def some_explained(key: Key, number: int) -> str:
    return "explained" if number % 10 == 0 else "ok"


def test_what_passes_with_something_to_explain_is_told_and_no_regression(
    store: Store, tmp_path: Path
) -> None:
    run(begun(store, "then"), Disorderly(all_ok), tmp_path)
    now = begun(store)
    run(now, Disorderly(some_explained), tmp_path)
    measured = measure(samples(store, now.id), find_baseline("then", store, now.id))
    assert not measured.has_regressed
    against = measured.series[Key("one", 0)]
    counts = samples(store, now.id)[0].counts()
    assert counts.passed == counts.judged
    assert against.passed_apart == (0, -(-counts.judged // 10))


def test_trials_that_both_have_are_paired(store: Store, tmp_path: Path) -> None:
    run(begun(store, "fewer"), Disorderly(all_ok), tmp_path, replace(PLAN, reps=200))
    now = begun(store)
    run(now, Disorderly(some_fail), tmp_path)
    measured = measure(samples(store, now.id), find_baseline("fewer", store, now.id))
    (found,) = measured.series[Key("two", 0)].regressions
    assert found.p_value == pytest.approx(0.5**20)


def test_other_schedules_are_compared_batch_by_batch(store: Store, tmp_path: Path) -> None:
    longer = replace(PLAN, reps=800)
    run(begun(store, "other seed", longer), Disorderly(all_ok), tmp_path, replace(longer, seed=4))
    now = begun(store, plan=longer)
    run(now, Disorderly(some_fail), tmp_path, longer)
    measured = measure(samples(store, now.id), find_baseline("other seed", store, now.id))
    assert {key for key, one in measured.series.items() if one.regressions} == {("two", 0)}
    (found,) = measured.series[Key("two", 0)].regressions
    assert found.test == "Mann-Whitney U of batches"


def test_a_scenario_whose_file_has_changed_is_compared_batch_by_batch(store: Store) -> None:
    """One seed gave other schedules then: those that are kept with the trials tell."""

    def kept(name: str, entropy: int, failing: int) -> CampaignRecord:
        campaign = begun(store, name)
        series = campaign.series(Series(0, "a", "1.0", "sim", "fake", "", "one", 3, drawn=True))
        for number in range(800):
            verdict = "late" if number % 100 < failing else "ok"
            result = TrialResult(number, (verdict,), f"{name}{number}", 1.0, 1.0)
            series.trial(result, Schedule("one", entropy + number))
        return campaign

    for name, entropy, failing in (("then", 0, 0), ("same", 0, 10), ("changed", 7, 10)):
        kept(name, entropy, failing)
    then = find_baseline("then", store)
    for name, test in (("same", "McNemar exact"), ("changed", "Mann-Whitney U of batches")):
        (against,) = measure(find_baseline(name, store).samples, then).series.values()
        assert [found.test for found in against.regressions] == [test]


def test_a_client_that_takes_longer_has_regressed(store: Store, tmp_path: Path) -> None:
    def slowly(name: str, by: float) -> CampaignRecord:
        campaign = begun(store, name)
        series = Series(0, "a", "1.0", "sim", "fake", "", "one", 3, drawn=True)
        for number in range(200):
            # What failed took no time, and is in no comparison of times.
            failed = number % 10 == 0
            result = TrialResult(
                *(number, ("late",) if failed else ("ok",), f"{number}"),
                *(0.0 if failed else 1 + by + number % 7, 100 + 900 * by),
            )
            campaign.series(series).trial(result)
        return campaign

    slowly("then", 0.0)
    for by, expected in ((0.0, []), (1.5, ["virtual time"])):
        now = slowly(f"{by}", by)
        measured = measure(samples(store, now.id), find_baseline("then", store))
        (against,) = measured.series.values()
        assert [one.measure for one in against.regressions] == expected
        # Wall time is told.
        assert against.wall_ms == (100, pytest.approx(100 + 900 * by))


def test_clients_are_matched_as_typed_or_by_being_the_only_one(
    store: Store, tmp_path: Path
) -> None:
    last_night = replace(PLAN, clients=(PlannedClient("latest", "1.58.1"),))
    tonight = replace(PLAN, clients=(PlannedClient("latest", "1.58.2"),))
    checkout = replace(PLAN, clients=(PlannedClient("/elsewhere@main", "1.59"),))
    for name, plan in (
        ("then", last_night),
        ("now", tonight),
        ("there", checkout),
        ("both", PLAN),
    ):
        run(begun(store, name, plan), Disorderly(all_ok), tmp_path, plan)
    then, now, there, both = (
        find_baseline(name, store) for name in ("then", "now", "there", "both")
    )
    assert len(measure(now.samples, then).series) == 2
    assert len(measure(there.samples, then).series) == 2
    # With two clients it is anybody's guess which one is meant.
    assert not measure(both.samples, then).series
    assert not measure(then.samples, both).series


def test_the_newest_soak_of_another_record_is_meant(store: Store, tmp_path: Path) -> None:
    campaigns = [begun(store, "old"), begun(store, "new"), store.campaign("run", {})]
    for number, campaign in enumerate(campaigns):
        run(campaign, Disorderly(all_ok), tmp_path)
        store.execute(
            "UPDATE campaigns SET began = ? WHERE id = ?", (f"2026-01-0{number + 1}", campaign.id)
        )
    begun(store, "empty")
    with Store(None) as mine:
        path = str(tmp_path / "record.db")
        assert find_baseline(path, mine).name == "new"
        store.execute("UPDATE campaigns SET command = 'compare'")
        assert find_baseline(path, mine).campaign == campaigns[2].id
    assert find_baseline(campaigns[0].id[:8], store).name == "old"


def test_what_is_no_baseline_is_told(store: Store, tmp_path: Path) -> None:
    only = begun(store, "only")
    run(only, Disorderly(all_ok), tmp_path)
    store.campaign("soak", {}, identity=f"{only.id[:4]}-another one")
    with pytest.raises(UsageError, match=r"several campaigns .* begin with"):
        find_baseline(only.id[:3], store)
    with pytest.raises(UsageError, match=r"no baseline 'nothing'.*neither a record nor"):
        find_baseline("nothing", store)
    with pytest.raises(UsageError, match="another campaign"):
        find_baseline("only", store, only.id)
    Store(tmp_path / "empty.db").close()
    with pytest.raises(UsageError, match="no other campaign"):
        find_baseline(str(tmp_path / "empty.db"), store)
