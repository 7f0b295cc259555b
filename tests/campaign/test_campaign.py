"""Campaigns: what is summed up, which failure is kept, and that it replays."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from race_harness.campaign.campaign import examine, run_campaign
from race_harness.campaign.kept_files import failure_name
from race_harness.campaign.resolve import ClientUnderTest, find_client
from race_harness.model.errors import UsageError, WorldBroken
from race_harness.model.failure import Failure
from race_harness.model.schedule import Caller, RestFault, Schedule
from race_harness.model.verdict import TrialResult
from race_harness.search import library
from race_harness.search.draw import draw_schedules
from race_harness.workers.pool import Workers
from race_harness.workers.protocol import WholeTrial

Started = Callable[[str], Workers]


def client(argument: str) -> ClientUnderTest:
    return find_client(argument, pytest.fail)


def drawn(reps: int) -> list[Schedule]:
    return list(draw_schedules(library.load("final-events"), 0, reps))


VOID = Schedule(
    "any",
    caller=Caller(settle_s=1.0),
    rest=(RestFault("status", "create", times=10_000, since="start"),),
)
"""No conversation can be created, so `run()` is never reached."""


def test_a_client_that_works_leaves_no_failure_file(workers: Started, tmp_path: Path) -> None:
    campaign = run_campaign(
        client("reference"), drawn(20), workers("reference"), failures=tmp_path
    )
    assert campaign.summary.reps == campaign.summary.passed == 20
    assert campaign.summary.first_failure is None
    assert list(tmp_path.iterdir()) == []


def test_the_first_failure_is_kept_and_replays_to_the_same(
    workers: Started, tmp_path: Path
) -> None:
    schedules = drawn(30)
    under_test, pool = client("reference:poll"), workers("reference:poll")
    heard: list[TrialResult] = []
    campaign = run_campaign(
        under_test, schedules, pool, on_result=heard.append, failures=tmp_path / "new"
    )
    heard.sort(key=lambda result: result.index)
    # How many events a verdict concerns is kept in no campaign.
    assert [replace(result, concerned={}) for result in heard] == list(campaign.results)
    summary = campaign.summary
    assert 0 < summary.passed < summary.reps == 30
    assert summary.verdicts == {"late": 30 - summary.passed, "ok": summary.passed}

    first = next(result for result in campaign.results if not result.passed)
    (path,) = (tmp_path / "new").iterdir()
    assert str(path) == summary.first_failure
    failure = Failure.read(path)
    assert failure.schedule == schedules[first.index]
    assert (failure.digest, failure.judgement.verdicts) == (first.digest, first.verdicts)
    assert (failure.client, failure.resolved_version) == ("reference:poll", "0.1.0")
    assert failure.judgement.evidence[0].verdict == "late"
    assert failure.happenings[-1]["what"] == "close-returned"
    assert path.name == f"final-events-0.1.0-late-{first.digest[:8]}.json"

    assert examine(under_test, pool, failure.schedule) == failure


@pytest.mark.slow
def test_the_same_campaign_has_the_same_digest_and_another_has_not(
    workers: Started, tmp_path: Path
) -> None:
    def digest(schedules: list[Schedule], argument: str = "reference:poll") -> str:
        pool = workers(argument)
        campaign = run_campaign(client(argument), schedules, pool, failures=tmp_path)
        return campaign.summary.campaign_digest

    schedules = drawn(8)
    assert digest(schedules) == digest(schedules)
    assert digest(schedules) != digest(schedules[::-1])
    assert digest(schedules) != digest(schedules, "reference")


def test_a_campaign_goes_on_with_the_numbers_that_it_would_have_had(
    workers: Started, tmp_path: Path
) -> None:
    schedules = drawn(12)
    under_test, pool = client("reference:poll"), workers("reference:poll")
    seen: list[int] = []
    rest = run_campaign(
        *(under_test, schedules, pool),
        start=4,
        on_result=lambda result: seen.append(result.index),
        failures=tmp_path,
    )
    assert sorted(seen) == list(range(4, 12))
    whole = run_campaign(under_test, schedules, pool, failures=tmp_path)
    told = [[(each.index, each.digest) for each in one.results] for one in (rest, whole)]
    assert told[0] == told[1][4:]
    failed = next(each for each in rest.results if not each.passed)
    assert Failure.read(Path(str(rest.summary.first_failure))).digest == failed.digest


def test_void_repetitions_are_counted_apart_and_are_no_failures(
    workers: Started, tmp_path: Path
) -> None:
    benign = replace(VOID, rest=())
    campaign = run_campaign(
        client("reference"), [VOID, benign, VOID], workers("reference"), failures=tmp_path
    )
    summary = campaign.summary
    assert (summary.reps, summary.void, summary.passed) == (3, 2, 1)
    assert summary.pass_rate == 1.0
    assert summary.first_failure is None
    assert list(tmp_path.iterdir()) == []
    void, passed, _ = campaign.results
    assert void.verdicts == ()
    assert "503" in str(void.void)
    assert not void.passed
    assert passed.passed


def test_nothing_but_void_repetitions_has_no_rate(workers: Started, tmp_path: Path) -> None:
    campaign = run_campaign(client("reference"), [VOID], workers("reference"), failures=tmp_path)
    assert campaign.summary.pass_rate is None
    assert campaign.summary.virtual_s is None


def test_the_failure_after_void_repetitions_is_the_first(workers: Started, tmp_path: Path) -> None:
    late = next(
        schedule
        for schedule in drawn(30)
        if not workers("reference:poll").run_whole(schedule)[0].passed
    )
    campaign = run_campaign(
        client("reference:poll"), [VOID, late], workers("reference:poll"), failures=tmp_path
    )
    assert Failure.read(Path(str(campaign.summary.first_failure))).schedule == late


def test_a_void_trial_examined_says_why(workers: Started) -> None:
    failure = examine(client("reference"), workers("reference"), VOID)
    assert failure.judgement.verdicts == ("void",)
    assert "503" in failure.judgement.notes[0]


class Forgetful(Workers):
    """Has another digest when it does something again."""

    def __init__(self, real: Workers) -> None:
        self._real = real
        self.server_version = real.server_version

    def stream(self, *arguments: Any) -> Iterator[tuple[TrialResult, WholeTrial | None]]:
        return self._real.stream(*arguments)

    def run_whole(self, *arguments: Any) -> tuple[TrialResult, WholeTrial]:
        result, whole = self._real.run_whole(*arguments)
        return replace(result, digest="another"), whole


def test_a_failure_that_does_not_repeat_breaks_the_campaign(
    workers: Started, tmp_path: Path
) -> None:
    forgetful = Forgetful(workers("reference:eager"))
    with pytest.raises(WorldBroken, match=r"repetition 0 of final-events did not repeat.*another"):
        run_campaign(client("reference:eager"), drawn(1), forgetful, failures=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(workers: Started, tmp_path: Path) -> None:
    in_the_way = tmp_path / "failures"
    in_the_way.write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        run_campaign(
            client("reference:eager"), drawn(1), workers("reference:eager"), failures=in_the_way
        )


def test_a_failures_name_is_fit_for_a_file(workers: Started) -> None:
    under_test = ClientUnderTest("../sdk@a/b", "1.11.1+g12/34 5", Path("python"), "reference")
    failure = examine(under_test, workers("reference:eager"), drawn(1)[0])
    assert failure_name(failure) == (
        f"final-events-1.11.1+g12_34_5-{failure.judgement.headline}-{failure.digest[:8]}.json"
    )
