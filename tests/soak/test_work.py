"""The loop: each trial once, whatever the bench does; what is new is kept; tests are obeyed."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from soak_rig import PLAN, Disorderly, all_ok, ended, records, run

from race_harness.model.failure import Failure
from race_harness.model.verdict import TrialResult
from race_harness.soak.bench import Chunk
from race_harness.soak.plan import Shard
from race_harness.soak.work import MOST_CAUSES, Soak
from race_harness.statistics.sequential import SequentialTest
from race_harness.store.series import Key
from race_harness.store.store import CampaignRecord, Store


def begun(store: Store) -> CampaignRecord:
    return store.campaign("soak", PLAN.to_dict())


def trials(store: Store) -> list[tuple[object, ...]]:
    return store.execute(
        "SELECT scenario, position, number, verdicts, digest, void FROM trials "
        "JOIN series ON series.id = series ORDER BY scenario, position, number"
    ).fetchall()


def kept(store: Store) -> list[tuple[object, ...]]:
    return store.execute(
        "SELECT scenario, position, number, cause FROM failures JOIN series ON series.id = series "
        "ORDER BY scenario, position, number"
    ).fetchall()


def now_and_then(key: Key, number: int) -> str:
    if number % 50 == 17:
        return "void"
    if key.position == 1 and number % 9 == 4:
        return "late 3 events were late" if number % 2 else "lost event was lost"
    return "ok"


@pytest.mark.parametrize("room", [1, 3, 100])
def test_each_trial_is_run_once_in_whatever_order_they_end(tmp_path: Path, room: int) -> None:
    with Store(None) as store:
        bench = Disorderly(now_and_then, room=room)
        run(begun(store), bench, tmp_path)
        expected = sorted(
            (key.scenario, key.position, number, verdict)
            for key in PLAN.keys
            for number in range(250)
            for verdict in [now_and_then(key, number).partition(" ")[0].replace("void", "")]
        )
        assert [row[:4] for row in trials(store)] == expected
        assert sum(len(chunk.numbers) for chunk in bench.taken) == 1_000


def test_series_take_turns(tmp_path: Path) -> None:
    bench = Disorderly()
    with Store(None) as store:
        run(begun(store), bench, tmp_path)
    turns = [(chunk.batch, *chunk.key) for chunk in bench.taken]
    assert turns == sorted(turns)
    assert [len(chunk.numbers) for chunk in bench.taken] == [100] * 8 + [50] * 4


@pytest.mark.parametrize("room", [1, 4])
def test_the_first_failure_of_each_cause_is_kept_whatever_comes_first(
    tmp_path: Path, room: int
) -> None:
    expected = [
        (scenario, 1, number, cause)
        for scenario in ("one", "two")
        for number, cause in (
            (4, "lost: lost events was lost"),
            (13, "late: late # events were late"),
        )
    ]
    for seed in range(3):
        folder = tmp_path / str(seed)
        with Store(None) as store:
            run(begun(store), Disorderly(now_and_then, room=room, seed=seed), folder)
            assert kept(store) == expected
        assert {Failure.read(path).schedule.entropy for path in folder.iterdir()} == {4, 13}
        assert len(list(folder.iterdir())) == 4


def test_so_many_causes_and_no_more_are_kept(tmp_path: Path) -> None:
    def always_new(_key: Key, number: int) -> str:
        return f"late {'x' * number}"

    with Store(None) as store:
        run(begun(store), Disorderly(always_new), tmp_path)
        assert Counter(row[:2] for row in kept(store)) == {
            tuple(key): MOST_CAUSES for key in PLAN.keys
        }


def test_what_is_there_is_not_run_again(tmp_path: Path) -> None:
    with Store(None) as whole, Store(None) as torn:
        run(begun(whole), Disorderly(now_and_then), tmp_path)
        campaign = begun(torn)
        # As a process leaves it that was killed with trials of two chunks in flight.
        for key, record in records(campaign).items():
            for number in [*range(0, 140 if key.position else 0, 3), 249]:
                record.trial(ended(key, number, now_and_then(key, number))[0])
        before = len(trials(torn))
        bench = Disorderly(now_and_then)
        run(campaign, bench, tmp_path)
        assert sum(len(chunk.numbers) for chunk in bench.taken) == 1_000 - before
        assert trials(torn) == trials(whole)

        nothing = Disorderly()
        run(campaign, nothing, tmp_path)
        assert nothing.taken == []


def test_what_nobody_asked_for_is_not_written(tmp_path: Path) -> None:
    with Store(None) as store:
        series = records(begun(store))
        soak = Soak(PLAN, series, failures=tmp_path)
        chunk = soak.take()
        assert chunk is not None
        soak.hear(chunk, TrialResult(100, ("ok",), "d", 1.0, 1.0))
        soak.hear(replace(chunk, batch=2), TrialResult(0, ("ok",), "d", 1.0, 1.0))
        assert trials(store) == []


def test_parts_together_are_the_whole(tmp_path: Path) -> None:
    with Store(None) as whole, Store(None) as parts:
        run(begun(whole), Disorderly(now_and_then), tmp_path)
        campaign = begun(parts)
        for part in (1, 2, 3):
            shared = replace(PLAN, shard=Shard(part, 3))
            run(campaign, Disorderly(now_and_then, room=2), tmp_path, shared)
        assert trials(parts) == trials(whole)


TESTED = replace(PLAN, reps=None, test=SequentialTest(0.001, 0.02))


def one_is_bad(key: Key, number: int) -> str:
    return "late" if key == ("two", 0) and number % 20 == 0 else "ok"


@pytest.mark.parametrize("room", [1, 7])
def test_a_test_ends_each_series_when_it_has_decided(tmp_path: Path, room: int) -> None:
    """240 trials without a failure accept; five failures of a hundred reject: the answers come at
    the end of a batch, and nothing is run behind it."""
    with Store(None) as store:
        soak = run(begun(store), Disorderly(one_is_bad, room=room), tmp_path, TESTED)
        found = {
            (*key, decision, counts.passed, counts.judged)
            for key, (decision, counts) in soak.decisions.items()
        }
        assert found == {
            ("one", 0, "accept", 300, 300),
            ("one", 1, "accept", 300, 300),
            ("two", 0, "reject", 95, 100),
            ("two", 1, "accept", 300, 300),
        }
        assert len(trials(store)) == 1_000


def test_void_trials_decide_nothing(tmp_path: Path) -> None:
    def mostly_void(_key: Key, number: int) -> str:
        return "ok" if number % 2 else "void"

    with Store(None) as store:
        soak = run(begun(store), Disorderly(mostly_void), tmp_path, TESTED)
        assert {counts.judged for _, counts in soak.decisions.values()} == {250}


def test_a_resumed_test_decides_the_same(tmp_path: Path) -> None:
    with Store(None) as store:
        campaign = begun(store)
        once = run(campaign, Disorderly(one_is_bad), tmp_path, TESTED)
        nothing = Disorderly()
        again = run(campaign, nothing, tmp_path, TESTED)
        assert again.decisions == once.decisions
        assert nothing.taken == []


def test_when_time_is_up_it_ends_undecided(tmp_path: Path) -> None:
    with Store(None) as store:
        heard: list[int] = []
        soak = Soak(
            TESTED,
            records(begun(store), TESTED),
            until=150,
            clock=lambda: len(heard),
            on_result=lambda _key, result: heard.append(result.index),
            failures=tmp_path,
        )
        Disorderly(all_ok).run(soak)
        assert soak.over
        assert len(trials(store)) == 150
        assert {decision for decision, _ in soak.decisions.values()} == {"undecided"}
        # The batch that was cut off is in no decision.
        assert soak.decisions[Key("one", 0)][1].judged == 100


def test_what_is_wanted_next_is_told_ahead(tmp_path: Path) -> None:
    with Store(None) as store:
        soak = Soak(PLAN, records(begun(store)), failures=tmp_path)
        foretold = [("one", 0)]
        taken: list[Chunk] = []
        while (chunk := soak.take()) is not None:
            taken.append(chunk)
            if (ahead := soak.ahead()) is not None:
                foretold.append(ahead)
        assert foretold == [(chunk.key.scenario, chunk.batch) for chunk in taken]
