"""The summary of a soak says what a comparison of its trials says, without keeping them."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from soak_rig import PLAN, Disorderly, all_ok, records, run

from race_harness.campaign.comparison import compare
from race_harness.campaign.comparison import summarise as summarise_results
from race_harness.soak.plan import Plan
from race_harness.soak.results import SoakSummary, summarise
from race_harness.soak.work import Soak
from race_harness.statistics.intervals import Spread
from race_harness.statistics.sequential import SequentialTest
from race_harness.store.series import Key
from race_harness.store.store import Store


def verdicts(key: Key, number: int) -> str:
    if number % 40 == 3:
        return "void"
    if key.position == 1 and number % 9 == 4:
        return "late" if number % 2 else "lost"
    return "ok" if key.scenario == "one" or number % 100 else "stall"


def soaked(store: Store, folder: Path, plan: Plan = PLAN) -> tuple[SoakSummary, Soak]:
    campaign = store.campaign("soak", plan.to_dict())
    work = run(campaign, Disorderly(verdicts), folder, plan)
    there = records(campaign, plan)
    summary = summarise(
        campaign.id, plan, store, there, decisions=work.decisions, speeds={Key("one", 0): 50.0}
    )
    return summary, work


@pytest.mark.parametrize("name", ["one", "two"])
def test_a_scenario_is_told_as_a_comparison_tells_it(tmp_path: Path, name: str) -> None:
    plan = replace(PLAN, scenarios=(name,))
    with Store(None) as store:
        summary, _ = soaked(store, tmp_path, plan)
        there = records(store.campaign("soak", {}, identity=summary.campaign), plan)
        results = [list(there[Key(name, position)].results()) for position in (0, 1)]
    expected = compare(
        name,
        plan.seed,
        [
            (
                summarise_results(client.argument, client.resolved_version, several, 0.0, None),
                several,
            )
            for client, several in zip(plan.clients, results, strict=True)
        ],
    )
    told = replace(
        summary.total,
        clients=tuple(
            replace(client, trials_per_s=0.0, first_failure=None)
            for client in summary.total.clients
        ),
    )
    assert told == expected
    assert summary.total == summary.scenarios[name]
    document = summary.to_dict()
    assert document.keys() - expected.to_dict().keys() == {"campaign", "baseline", "scenarios"}


def test_all_scenarios_are_told_together(tmp_path: Path) -> None:
    with Store(None) as store:
        summary, _ = soaked(store, tmp_path)
    one, two = summary.scenarios.values()
    for total, *parts in zip(summary.total.clients, one.clients, two.clients, strict=True):
        assert total.reps == 500
        assert total.passed == sum(part.passed for part in parts)
        assert total.void == sum(part.void for part in parts)
        assert total.campaign_digest not in {part.campaign_digest for part in parts}
    (pair,) = summary.total.pairs
    assert pair.only_b == sum(part.pairs[0].only_b for part in (one, two))
    assert summary.total.scenario == "one, two"
    assert one.clients[0].trials_per_s == summary.total.clients[0].trials_per_s == 50.0


def test_the_first_failure_is_named(tmp_path: Path) -> None:
    with Store(None) as store:
        summary, _ = soaked(store, tmp_path)
    assert summary.scenarios["one"].clients[0].first_failure is None
    first = summary.scenarios["one"].clients[1].first_failure
    assert first == str(tmp_path / "one-2.0-lost-one1-000.json")


def test_without_a_test_zero_failures_are_a_bound(tmp_path: Path) -> None:
    with Store(None) as store:
        summary, _ = soaked(store, tmp_path)
    right, wrong = summary.to_dict()["scenarios"][0]["decisions"]
    assert (right["decision"], right["at"], right["bound"]) == (None, 243, 3 / 243)
    assert (wrong["failed"], wrong["bound"], wrong["alpha"]) == (28, None, None)


def test_a_test_tells_its_rates_and_errors(tmp_path: Path) -> None:
    plan = replace(PLAN, reps=None, test=SequentialTest(0.001, 0.02))
    with Store(None) as store:
        summary, _ = soaked(store, tmp_path, plan)
    right, wrong = summary.to_dict()["scenarios"][0]["decisions"]
    assert right == {
        "client": "a",
        "decision": "passes",
        "at": 292,
        "failed": 0,
        "alpha": 0.01,
        "beta": 0.01,
        "acceptable": 0.001,
        "unacceptable": 0.02,
        "bound": 3 / 292,
    }
    assert (wrong["decision"], wrong["at"]) == ("fails", 97)


def test_what_counts_as_failed(tmp_path: Path) -> None:
    with Store(None) as store:
        bad, _ = soaked(store, tmp_path)
        campaign = store.campaign("soak", {})
        work = run(campaign, Disorderly(all_ok), tmp_path)
        good = summarise(
            campaign.id, PLAN, store, records(campaign), decisions=work.decisions, speeds={}
        )
        campaign = store.campaign("soak", {})
        nothing = summarise(
            campaign.id, PLAN, store, records(campaign), decisions=work.decisions, speeds={}
        )
    assert not good.has_failed(None)
    assert bad.has_failed(None)
    assert bad.has_failed(0.9)
    assert not bad.has_failed(0.85)
    assert nothing.has_failed(None)
    assert not good.has_regressed


def test_a_spread_of_values_in_order_is_that_of_all_of_them() -> None:
    coin = Random(1)
    for count in (1, 2, 3, 99, 1_000):
        values = [coin.random() for _ in range(count)]
        assert Spread.of_ordered(iter(sorted(values)), count) == Spread.of(values)
    with pytest.raises(ValueError, match="no value"):
        Spread.of_ordered([], 0)
