"""The hunt finds what is planted, keeps causes apart, shrinks, and finds nothing in what works."""

from collections.abc import Callable

import pytest

import scenarios
from harness.campaign.campaign import examine
from harness.campaign.client import ClientUnderTest, find_client
from harness.campaign.hunt import Tally, cause_of, hunt
from harness.campaign.pool import Workers
from harness.cli.hunt import parse_time
from harness.errors import UsageError
from harness.failure import Failure
from harness.schedule import Schedule
from harness.verdict import Evidence, Judgement

GetWorkers = Callable[[str], Workers]


def client(argument: str) -> ClientUnderTest:
    return find_client(argument, lambda _line: None)


def test_a_planted_bug_is_found_within_a_few_schedules_and_shrunk(workers: GetWorkers) -> None:
    bug = client("reference:poll")
    final_events = scenarios.load("final-events")
    tally = Tally()
    findings = list(
        hunt(
            [final_events],
            lambda schedule: examine(bug, workers(bug.adapter), schedule),
            seed=1,
            examples=100,
            tally=tally,
        )
    )
    assert [finding.failure.judgement.headline for finding in findings] == ["late"]
    (finding,) = findings
    assert finding.found_at_trial <= 20
    assert len(finding.failure.schedule.non_default_fields()) <= 3
    assert finding.shrink_executions > 0
    assert tally.trials == 100
    again = examine(bug, workers(bug.adapter), finding.failure.schedule)
    assert again.digest == finding.failure.digest


def test_what_works_is_left_alone(workers: GetWorkers) -> None:
    right = client("reference")
    names = ["final-events", "delayed-callback"]
    found = hunt(
        [scenarios.load(name) for name in names],
        lambda schedule: examine(right, workers(right.adapter), schedule),
        seed=1,
        examples=60,
    )
    assert list(found) == []


def made_up(schedule: Schedule) -> Failure:
    """Fails in two ways, by the schedule alone."""
    evidence: tuple[Evidence, ...] = ()
    if schedule.network.socket.latency_ms > 100:
        evidence += (Evidence("late", f"{schedule.network.socket.latency_ms} ms too late"),)
    if schedule.server.start_ms > 50:
        evidence += (Evidence("early", "before the run had begun"),)
    verdicts = tuple(entry.verdict for entry in evidence) or ("ok",)
    return Failure(
        schedule=schedule,
        judgement=Judgement(verdicts, evidence),
        digest=schedule.to_json(),
        client="made up",
        resolved_version="0",
        server="fake",
        world="sim",
        happenings=(),
        stacks={},
    )


def test_causes_are_kept_apart_and_the_search_goes_on() -> None:
    findings = list(hunt([scenarios.load("final-events")], made_up, seed=3, examples=600))
    by_cause = {finding.cause: finding.failure.schedule for finding in findings}
    assert len(by_cause) == len(findings)
    assert set(by_cause) == {
        "late: # ms too late",
        "early: before the run had begun",
        "late: # ms too late; early: before the run had begun",
    }
    late = by_cause["late: # ms too late"].non_default_fields()
    assert late == {"network.socket.latency_ms": 100.1}
    early = by_cause["early: before the run had begun"].non_default_fields()
    assert early == {"server.start_ms": 50.1}


def test_a_failure_that_does_not_repeat_is_no_finding() -> None:
    runs = iter(range(10**6))

    def fickle(schedule: Schedule) -> Failure:
        failure = made_up(schedule)
        object.__setattr__(failure, "digest", str(next(runs)))
        return failure

    tally = Tally()
    assert (
        list(hunt([scenarios.load("final-events")], fickle, seed=3, examples=100, tally=tally))
        == []
    )
    assert tally.repeats > 0


def test_a_hunt_ends_by_the_clock() -> None:
    tally = Tally()
    found = hunt(
        [scenarios.load("clean")], made_up, seed=0, examples=10**9, seconds=0, tally=tally
    )
    assert list(found) == []
    assert tally.trials == 0


def test_a_cause_does_not_depend_on_numbers() -> None:
    one, two = (
        made_up(Schedule.from_dict({"scenario": "x", "network": {"socket": {"latency_ms": ms}}}))
        for ms in (200.0, 300.5)
    )
    assert cause_of(one) == cause_of(two) != ""
    assert cause_of(made_up(Schedule("x"))) == ""


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60), ("5m", 300), ("2h", 7200), ("90", 90)])
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5s", "5d", "1e3"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--for"):
        parse_time(text)
