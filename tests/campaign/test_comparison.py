"""A campaign in numbers: what is counted, what is left out, and what the digest covers."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from race_harness.campaign.comparison import (
    ClientSummary,
    Comparison,
    Pair,
    campaign_digest,
    compare,
    summarise,
)
from race_harness.model.outcome import Void
from race_harness.model.verdict import ORDER, TrialResult
from race_harness.statistics.intervals import Spread

REFUSED, OTHERWISE = Void("unreached", "refused"), Void("unreached", "otherwise")


def trial(
    index: int, *verdicts: str, void: str | None = None, virtual_s: float = 1.0
) -> TrialResult:
    return TrialResult(
        index,
        verdicts,
        f"digest-{index}",
        virtual_s,
        10.0 + index,
        None if void is None else Void("unreached", void),
    )


def summary(results: list[TrialResult], client: str = "1.10.0") -> ClientSummary:
    return summarise(client, "1.10.0", results, 2.0, None)


VERDICTS = st.sampled_from([("ok",), ("late",), ("early", "late"), ("lost",)])

RESULTS = st.lists(st.tuples(VERDICTS, st.booleans()), max_size=20).map(
    lambda drawn: [
        TrialResult(n, () if void else verdicts, f"d{n}", 1.0, 1.0, REFUSED if void else None)
        for n, (verdicts, void) in enumerate(drawn)
    ]
)


def test_a_summary_counts_every_verdict_of_every_trial_gravest_first() -> None:
    results = [
        trial(0, "ok"),
        trial(1, "early", "late"),
        trial(2, "late"),
        trial(3, "lost"),
        trial(4, void="connection refused"),
    ]
    found = summarise("main", "1.58.0", results, 2.0, "failures/1.json")
    assert list(found.verdicts.items()) == [("lost", 1), ("early", 1), ("late", 2), ("ok", 1)]
    assert (found.client, found.resolved_version) == ("main", "1.58.0")
    assert (found.reps, found.passed, found.void) == (5, 1, 1)
    assert found.pass_rate == pytest.approx(1 / 4)
    # Wilson's interval of 1 in 4, void trials left out.
    assert found.ci95 == pytest.approx((0.0456, 0.6994), abs=5e-5)
    assert found.trials_per_s == pytest.approx(2.5)
    assert found.first_failure == "failures/1.json"


def test_what_passed_with_something_to_explain_is_counted_apart() -> None:
    found = summary([trial(0, "ok"), trial(1, "explained"), trial(2, "server-stall")])
    assert (found.passed, found.pass_rate) == (3, 1.0)
    assert found.verdicts == {"server-stall": 1, "explained": 1, "ok": 1}
    assert found.has_passed()
    assert not found.has_passed(strict=True)
    plain = summary([trial(0, "ok"), trial(1, "ok")])
    assert plain.has_passed(strict=True)


def test_trials_in_which_something_did_not_happen_are_counted() -> None:
    some = [trial(0, "ok"), replace(trial(1, "ok"), undone=2), replace(trial(2, "ok"), undone=1)]
    assert summary(some).undone == 2
    assert summary([replace(trial(0, void="refused"), undone=1)]).undone == 0


def test_void_trials_cost_wall_time_but_have_no_virtual_time() -> None:
    results = [trial(0, "ok", virtual_s=3.0), trial(2, void="refused", virtual_s=0.0)]
    found = summary(results)
    assert found.virtual_s == Spread(3.0, 3.0, 3.0, 3.0)
    assert found.wall_ms is not None
    assert found.wall_ms.mean == pytest.approx(11.0)


def test_a_void_trial_never_passes_whatever_its_verdicts_say() -> None:
    found = summary([trial(0, "ok", void="refused"), trial(1, "late")])
    assert (found.passed, found.verdicts) == (0, {"late": 1})


def test_without_a_verdict_there_is_no_rate() -> None:
    found = summary([trial(0, void="refused")])
    assert found.pass_rate is None
    assert found.virtual_s is None
    assert found.ci95 == (0.0, 1.0)
    assert found.verdicts == {}


def test_without_trials_there_is_a_summary_all_the_same() -> None:
    found = summarise("1.10.0", "1.10.0", [], 0.0, None)
    assert (found.reps, found.pass_rate, found.wall_ms, found.trials_per_s) == (0, None, None, 0.0)


@given(RESULTS)
def test_the_rate_follows_from_the_counts(results: list[TrialResult]) -> None:
    found = summary(results)
    judged = found.reps - found.void
    assert found.passed == found.verdicts.get("ok", 0)
    if judged:
        assert found.pass_rate == found.passed / judged
        assert found.ci95[0] <= found.pass_rate <= found.ci95[1]
    else:
        assert found.pass_rate is None
    assert list(found.verdicts) == sorted(found.verdicts, key=ORDER.index)
    assert all(found.verdicts.values())


@given(RESULTS, st.randoms())
def test_the_digest_does_not_know_the_order_of_arrival(
    results: list[TrialResult], random: Any
) -> None:
    shuffled = list(results)
    random.shuffle(shuffled)
    assert campaign_digest(shuffled) == campaign_digest(results)


@given(RESULTS, st.data())
def test_the_digest_covers_what_every_trial_did(
    results: list[TrialResult], data: st.DataObject
) -> None:
    assume(results)
    changed = list(results)
    n = data.draw(st.integers(0, len(results) - 1))
    change: dict[str, Any] = data.draw(
        st.sampled_from(
            [
                {"index": 99},
                {"digest": "other"},
                {"verdicts": ("stall",)},
                {"void": OTHERWISE},
            ]
        )
    )
    changed[n] = replace(results[n], **change)
    assert campaign_digest(changed) != campaign_digest(results)
    assert campaign_digest(results[:n] + results[n + 1 :]) != campaign_digest(results)


def test_the_digest_does_not_cover_wall_time() -> None:
    slower = replace(trial(0, "ok"), wall_ms=999.0)
    assert campaign_digest([slower]) == campaign_digest([trial(0, "ok")])


def test_pairs_compare_trials_of_equal_index_only() -> None:
    a = [
        trial(0, "late"),
        trial(1, "late"),
        trial(2, "ok"),
        trial(3, "early"),
        trial(4, void="refused"),
        trial(5, "late"),
        trial(6, "ok"),
        trial(7, "late"),
    ]
    b = [
        trial(6, "ok"),
        trial(5, void="refused"),
        trial(4, "late"),
        trial(3, "lost"),
        trial(2, "hang"),
        trial(1, "ok"),
        trial(0, "ok"),
    ]
    comparison = compare("final-events", 7, [(summary(a, "A"), a), (summary(b, "B"), b)])
    # In A only: 0 and 1. In B only: 2. In both: 3. Left out: 4 and 5 (void), 7 (not in B).
    assert comparison.pairs == (Pair("A", "B", 2, 1, 1, 1.0),)


def test_every_two_clients_make_a_pair_in_the_order_given() -> None:
    clients = [
        (summary(results, name), results)
        for name, results in {
            "A": [trial(n, "late") for n in range(6)],
            "B": [trial(n, "ok") for n in range(6)],
            "C": [trial(n, "ok" if n else "lost") for n in range(6)],
        }.items()
    ]
    pairs = compare("final-events", 7, clients).pairs
    assert [(pair.a, pair.b) for pair in pairs] == [("A", "B"), ("A", "C"), ("B", "C")]
    assert [pair.p_value for pair in pairs] == pytest.approx([2 / 2**6, 2 / 2**5, 1.0])


def test_the_json_form_has_exactly_the_promised_fields() -> None:
    results = [trial(0, "ok"), trial(1, "late")]
    comparison = compare("final-events", 7, [(summary(results, n), results) for n in ("A", "B")])
    data = json.loads(json.dumps(comparison.to_dict()))
    assert list(data) == ["schema", "scenario", "seed", "world", "server", "clients", "pairs"]
    assert (data["schema"], data["seed"], data["world"], data["server"]) == (1, 7, "sim", "fake")
    (client, _) = data["clients"]
    assert list(client) == [
        "client",
        "resolved_version",
        "reps",
        "passed",
        "pass_rate",
        "ci95",
        "verdicts",
        "void",
        "undone",
        "wall_ms",
        "virtual_s",
        "trials_per_s",
        "campaign_digest",
        "first_failure",
    ]
    assert client["ci95"] == pytest.approx([0.0945, 0.9055], abs=5e-5)
    assert list(client["wall_ms"]) == list(client["virtual_s"]) == ["mean", "p50", "p95", "p99"]
    assert list(data["pairs"][0]) == ["a", "b", "only_a", "only_b", "both", "p_value"]


def test_world_and_server_are_told() -> None:
    comparison = compare("final-events", 7, [], world="real", server="agent-server")
    assert comparison == Comparison("final-events", 7, (), (), "real", "agent-server")
