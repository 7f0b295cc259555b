"""What is counted, what is not, and in which order it is told."""

from collections.abc import Iterator
from dataclasses import astuple, replace

import pytest
from report_rig import CONFIRMED, EARLY, example, fill, series, trials

from race_harness.model.errors import UsageError
from race_harness.report import wording as words
from race_harness.report.gather import gather
from race_harness.report.view import Change, Changes, Quantiles, RecordView, TrialTally
from race_harness.store.store import Store


@pytest.fixture
def store() -> Iterator[Store]:
    with Store(None) as store:
        example(store)
        yield store


def rows(report: RecordView) -> dict[tuple[str, str], TrialTally]:
    return {(row.client.label, row.scenario): row.tally for row in report.rows}


def test_rates_hold_each_sample_once_and_nothing_that_was_searched(store: Store) -> None:
    report = gather(store)
    assert rows(report) == {
        ("1.9.0", "final-events"): TrialTally(24, 12, 4, {"late": 8, "out-of-order": 8, "ok": 12}),
        ("1.10.0", "clean"): TrialTally(20, 20, 0, {"ok": 20}),
        ("1.10.0", "final-events"): TrialTally(20, 20, 0, {"ok": 20}),
    }
    assert (report.searched, report.repeated) == (1, 32)
    # Over time every campaign is a point.
    assert sorted(moment.tally.trials for moment in report.moments) == [10] * 6 + [12] * 3
    (bad,) = report.failing
    assert bad.void_reason == "the connection was refused"
    assert (bad.tally.rate, bad.tally.failed) == (0.6, 8)


def test_real_time_repeats_nothing() -> None:
    with Store(None) as store:
        for _ in range(2):
            real = series("1.10.0", "clean", world="real", server="real")
            fill(store.campaign("run", {}), real, trials(3))
        report = gather(store)
    assert rows(report) == {("1.10.0, real×real", "clean"): TrialTally(6, 6, 0, {"ok": 6})}
    assert report.repeated == 0


def test_a_longer_run_of_the_same_seed_takes_the_place_of_a_shorter() -> None:
    with Store(None) as store:
        for many in (3, 9, 5):
            fill(store.campaign("run", {}), series("1.10.0", "clean"), trials(many))
        assert gather(store).tally.trials == 9


def test_what_was_left_out_is_told_unless_it_was_run_another_time(store: Store) -> None:
    atlas = store.campaign("atlas", {}, name="atlas")
    fill(atlas, series("1.8.0", "final-events"), trials(2))
    for reason in ("no answer", "cannot be resolved"):
        store.campaign("atlas", {}, name="atlas").skip(series("1.8.0", "clean"), reason)
    atlas.skip(series("1.10.0", "clean"), "a lock")
    (left_out,) = gather(store).skipped
    assert (left_out.client.label, left_out.scenario) == ("1.8.0", "clean")
    assert left_out.reason == "cannot be resolved"
    # Within this campaign alone nothing else has run it.
    assert len(gather(store, ["atlas"]).skipped) == 2
    assert gather(store, ["tuesday"]).skipped == ()


def test_times_are_exact_and_those_of_void_trials_are_wall_times_alone(store: Store) -> None:
    (row,) = gather(store, ["tuesday"]).failing
    assert row.virtual_s is not None
    expected = (4.5, 0.45, 2.25, 4.5, 6.75, 8.55)
    assert astuple(row.virtual_s) == pytest.approx(expected)
    assert row.wall_ms == Quantiles(10, 10, 10, 10, 10, 10)
    assert row.wall_total_s == pytest.approx(0.12)


def test_releases_are_in_the_order_of_versions() -> None:
    names = ["1.10.0", "1.9.0", "main", "1.10.0.dev1", "2.0"]
    with Store(None) as store:
        for name in names:
            fill(store.campaign("run", {}), series(name, "clean"), trials(1))
        report = gather(store)
    ordered = [client.label for client in report.clients]
    assert ordered == ["1.9.0", "1.10.0.dev1", "1.10.0", "2.0", "main"]


def test_what_moves_is_one_line_over_time_and_several_clients() -> None:
    with Store(None) as store:
        for version in ("1.9.0", "1.10.0"):
            latest = series("latest", "clean", resolved_version=version)
            fill(store.campaign("run", {}), latest, trials(1))
        report = gather(store)
    assert [client.label for client in report.clients] == ["1.9.0", "1.10.0"]
    assert [moment.client for moment in report.moments] == ["latest", "latest"]


def test_findings_are_confirmed_ones_first_and_say_where_they_are_from(store: Store) -> None:
    first, second = gather(store).findings
    assert (first.failure, first.searched, first.seen[0].rank) == (CONFIRMED, True, 0)
    assert words.standing(first).startswith("confirmed on the real server")
    assert words.standing(first).endswith("found by search, in no rate")
    assert (second.failure, second.searched, second.kept) == (EARLY, False, 1)
    assert words.standing(second) == "not tried on the real server"
    assert words.replay(second.seen[0]) == "race replay .race/failures/1.9.0.json"
    assert words.replay(first.seen[0]) == "race replay FILE"


def test_one_failure_stands_for_its_cause_that_of_the_newest_client() -> None:
    with Store(None) as store:
        for client in ("1.9.0", "1.10.0", "1.8.0"):
            failure = replace(EARLY, client=client, resolved_version=client)
            fill(store.campaign("run", {}), series(client, "x"), trials(1, 1), failure)
        (finding,) = gather(store).findings
    assert finding.kept == 3
    assert [one.client.label for one in finding.seen] == ["1.10.0", "1.9.0", "1.8.0"]
    assert finding.failure is not None
    assert finding.failure.client == "1.10.0"


def test_campaigns_are_chosen_by_name_or_by_the_beginning_of_their_id(store: Store) -> None:
    (identity,) = store.execute("SELECT id FROM campaigns WHERE name = 'tuesday'").fetchone()
    by_name, by_id = gather(store, ["tuesday"]), gather(store, [identity[:13]])
    assert by_name == by_id
    assert [campaign.name for campaign in by_name.campaigns] == ["tuesday"]
    assert len(gather(store, ["tuesday", "monday"]).campaigns) == 2
    with pytest.raises(UsageError, match=r"no campaign 'friday' .*; the latest there: hunt, tue"):
        gather(store, ["friday"])


def test_nothing_recorded_is_said() -> None:
    with Store(None) as store, pytest.raises(UsageError, match="nothing is recorded"):
        gather(store)


def test_the_sentence_of_the_whole(store: Store) -> None:
    report = gather(store)
    assert words.verdict(report) == (
        "8 of 60 trials failed, in 1 of 3 pairs of client and scenario; "
        "worst: final-events on 1.9.0, 12 / 20 = 60.0 % passed."
    )
    passed = replace(report, rows=report.passing, findings=())
    assert words.outcome(passed) == "passed"
    assert words.verdict(passed) == (
        "All 40 trials passed: fewer than 7.5 % fail, at 95 % confidence."
    )
    assert words.outcome(replace(passed, rows=())) == "undecided"
    worse = Change("pass rate", "1.9.0", "final-events", "99 %", "60 %", 1e-4)
    regressed = replace(passed, changes=Changes("monday", (worse,)))
    assert words.outcome(regressed) == "regressed"
    assert words.verdict(regressed) == "1 regression since monday."
    assert words.outcome(replace(passed, changes=Changes("monday", ()))) == "passed"
