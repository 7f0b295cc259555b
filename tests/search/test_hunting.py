"""The hunt finds what is planted, keeps causes apart, shrinks, and finds nothing in what works."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from race_harness.campaign.campaign import examine
from race_harness.campaign.resolve import ClientUnderTest, find_client
from race_harness.cli.console import parse_time
from race_harness.model.errors import UsageError
from race_harness.model.evidence import Cause, Evidence
from race_harness.model.failure import Failure
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import Judgement
from race_harness.search import library
from race_harness.search.draw import draw_schedules
from race_harness.search.hunting import Tally, add_faults, hunt
from race_harness.search.strategies import FAMILIES
from race_harness.workers.pool import Workers

GetWorkers = Callable[[str], Workers]


def client(argument: str) -> ClientUnderTest:
    return find_client(argument, lambda _line: None)


@pytest.mark.slow
def test_a_planted_bug_is_found_within_a_few_schedules_and_shrunk(workers: GetWorkers) -> None:
    bug = client("reference:poll")
    final_events = library.load("final-events")
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


@pytest.mark.slow
def test_what_works_is_left_alone(workers: GetWorkers) -> None:
    right = client("reference")
    names = ["final-events", "delayed-callback"]
    found = hunt(
        [library.load(name) for name in names],
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


@pytest.mark.slow
def test_causes_are_kept_apart_and_the_search_goes_on() -> None:
    findings = list(hunt([library.load("final-events")], made_up, seed=3, examples=600))
    by_cause = {str(finding.cause): finding.failure.schedule for finding in findings}
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
        list(hunt([library.load("final-events")], fickle, seed=3, examples=100, tally=tally)) == []
    )
    assert tally.repeats > 0


def test_a_hunt_ends_by_the_clock() -> None:
    tally = Tally()
    found = hunt([library.load("clean")], made_up, seed=0, examples=10**9, seconds=0, tally=tally)
    assert list(found) == []
    assert tally.trials == 0


def test_a_cause_does_not_depend_on_numbers() -> None:
    one, two = (
        made_up(Schedule.from_dict({"scenario": "x", "network": {"socket": {"latency_ms": ms}}}))
        for ms in (200.0, 300.5)
    )
    assert one.cause == two.cause != Cause()
    assert not made_up(Schedule("x")).cause


# -- one cause at a time


def judged(schedule: Schedule, *evidence: Evidence, digest: str = "") -> Failure:
    verdicts = tuple(dict.fromkeys(entry.verdict for entry in evidence)) or ("ok",)
    return replace(
        made_up(Schedule("x")),
        schedule=schedule,
        judgement=Judgement(verdicts, evidence),
        digest=digest or schedule.to_json(),
    )


def slippery(schedule: Schedule) -> Failure:
    """Beyond 100 ms it fails in one way, and on the way down to benign in another."""
    latency_ms = schedule.network.socket.latency_ms
    if latency_ms > 30:
        return judged(schedule, Evidence("late", "too late"))
    if latency_ms > 10:
        return judged(schedule, Evidence("lost", "altogether"))
    return judged(schedule)


def test_shrinking_does_not_slip_from_one_cause_to_another() -> None:
    """Each is shrunk to its own border, though the other fails with less."""
    final_events = library.load("final-events")
    findings = {
        str(finding.cause): finding.failure
        for finding in hunt([final_events], slippery, seed=3, examples=300)
    }
    assert set(findings) == {"late: too late", "lost: altogether"}
    borders = {cause: failure.schedule.non_default_fields() for cause, failure in findings.items()}
    assert borders["late: too late"] == {"network.socket.latency_ms": 30.1}
    assert borders["lost: altogether"] == {"network.socket.latency_ms": 10.1}
    for cause, failure in findings.items():
        assert str(failure.cause) == cause


def test_what_fails_otherwise_while_shrinking_is_left_for_a_later_turn() -> None:
    """It was seen, but the turn's finding is the first alone, and no trial of it is counted."""
    tally = Tally()
    search = hunt([library.load("final-events")], slippery, seed=3, examples=300, tally=tally)
    first = next(search)
    assert first.found_at_trial == tally.trials
    second = next(search)
    assert second.cause != first.cause
    assert second.found_at_trial > first.found_at_trial
    assert first.shrink_executions > 0 < second.shrink_executions


def test_a_known_cause_is_found_once() -> None:
    def always(schedule: Schedule) -> Failure:
        return judged(schedule, Evidence("late", f"{schedule.server.think_ms} ms too late"))

    tally = Tally()
    search = hunt([library.load("final-events")], always, seed=1, examples=60, tally=tally)
    assert [str(finding.cause) for finding in search] == ["late: # ms too late"]
    assert tally.trials == 60


def test_two_verdicts_are_another_cause_than_one_of_them() -> None:
    late, lost = Evidence("late", "1 event so"), Evidence("lost", "2 events so")
    schedule = Schedule("x")
    causes = [str(judged(schedule, *each).cause) for each in ((late,), (lost,), (late, lost))]
    assert causes == ["late: # events so", "lost: # events so", "; ".join(causes[:2])]


@pytest.mark.parametrize("verdicts", [("ok",), ("void",), ()])
def test_what_passed_or_was_void_has_no_cause(verdicts: tuple[str, ...]) -> None:
    failure = replace(made_up(Schedule("x")), judgement=Judgement(verdicts))
    assert failure.cause == Cause()


def test_scenarios_take_turns_under_their_own_names() -> None:
    seen: list[str] = []

    def note(schedule: Schedule) -> Failure:
        seen.append(schedule.scenario)
        return judged(schedule)

    chosen = [library.load(name) for name in ("final-events", "cut-at-run")]
    assert list(hunt(chosen, note, seed=0, examples=35)) == []
    assert seen == [*["final-events"] * 10, *["cut-at-run"] * 10, *["final-events"] * 10] + (
        ["cut-at-run"] * 5
    )


# -- faults on top


def drawn_from(scenario: Scenario, count: int = 60) -> list[Schedule]:
    return list(draw_schedules(scenario, 5, count))


def test_faults_alone_are_a_benign_schedule_with_them() -> None:
    (scenario,) = add_faults([], ["socket", "rest"])
    assert scenario.name == "socket+rest"
    paths = {
        path.partition("[")[0]
        for schedule in drawn_from(scenario)
        for path in schedule.non_default_fields()
    }
    assert paths == {"network.faults", "network.connections", "rest", "caller.settle_s"}


def test_faults_are_added_to_each_scenario_that_is_chosen() -> None:
    chosen = [library.load(name) for name in ("cut-at-run", "final-events")]
    with_them = add_faults(chosen, ["rest"])
    assert [scenario.name for scenario in with_them] == ["cut-at-run", "final-events"]
    for scenario in with_them:
        assert any(schedule.rest for schedule in drawn_from(scenario))
    # The scenario's own is still there.
    assert all(
        schedule.network.faults[0].at.what == "run-called" for schedule in drawn_from(with_them[0])
    )
    assert not any(schedule.rest for schedule in drawn_from(chosen[0]))


def test_a_hunt_with_faults_shrinks_to_the_scenario_without_them() -> None:
    """A failure that needs no fault is left with none."""

    def fails_always(schedule: Schedule) -> Failure:
        return judged(schedule, Evidence("late", "so"))

    (scenario,) = add_faults([library.load("cut-at-run")], list(FAMILIES))
    (finding,) = hunt([scenario], fails_always, seed=2, examples=20)
    left = finding.failure.schedule.non_default_fields()
    assert list(left) == ["network.faults[0]"]


def test_an_unknown_family_is_told_before_anything_runs() -> None:
    with pytest.raises(UsageError, match="no fault family 'wind'"):
        add_faults([library.load("clean")], ["socket", "wind"])


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60), ("5m", 300), ("2h", 7200), ("90", 90)])
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-5s", "5d", "1e3"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--for"):
        parse_time(text)
