"""A hunt draws a few families at a time, also near known times, and never what costs too much."""

import pytest

from race_harness.model.errors import UsageError
from race_harness.model.paths import walk
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule
from race_harness.search import library
from race_harness.search.draw import draw_schedules
from race_harness.search.families import NAMES
from race_harness.search.swarm import add_faults

LINES = [("Client.run", "self.wait()"), ("Client.stop", "self.join()")]


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


def test_an_unknown_family_is_told_before_anything_runs() -> None:
    with pytest.raises(UsageError, match="no fault family 'wind'"):
        add_faults([library.load("clean")], ["socket", "wind"])


# -- a few at a time


def test_some_of_the_families_are_in_a_schedule_and_all_of_them_in_a_hunt() -> None:
    (scenario,) = add_faults([], NAMES, LINES)
    several = drawn_from(scenario, 300)
    parts = ("server", "network", "rest", "caller", "script", "interleaving", "others", "watchers")
    touched = [
        {path.split(".")[0].partition("[")[0] for path in schedule.non_default_fields()}
        for schedule in several
    ]
    assert set().union(*touched) == set(parts)
    # Two families can touch more parts than two, but never all.
    assert all(touch != set(parts) for touch in touched)
    assert any(len(touch) == 1 for touch in touched)
    assert any(schedule.interleaving.stalls for schedule in several)


def test_one_family_is_always_there() -> None:
    (scenario,) = add_faults([], ["rest"])
    assert {
        path.partition("[")[0]
        for schedule in drawn_from(scenario)
        for path in schedule.non_default_fields()
    } == {"rest"}


# -- near known times


def times_of(schedule: Schedule) -> list[float]:
    return [
        float(place.value)
        for place in walk(schedule)
        if place.path[-1] in ("delay_ms", "for_ms") and place.value
    ]


def near(schedules: list[Schedule], milliseconds: float) -> int:
    return sum(
        abs(time - milliseconds) <= 500 for schedule in schedules for time in times_of(schedule)
    )


def test_times_are_drawn_near_known_ones_and_evenly_as_well() -> None:
    (with_known,) = add_faults([], ["rest", "socket"], (), [30.0])
    (without,) = add_faults([], ["rest", "socket"])
    several = drawn_from(with_known, 300)
    assert near(several, 30_000) > 5
    assert any(time < 4_000 for schedule in several for time in times_of(schedule))
    assert near(drawn_from(without, 300), 30_000) == 0


def test_only_what_may_take_long_is_drawn_near_a_long_time() -> None:
    """A server that takes half a minute for a snapshot is none that was released."""
    (scenario,) = add_faults([], ["latency", "order", "caller"], (), [30.0])
    for schedule in drawn_from(scenario, 200):
        server, network = schedule.server, schedule.network
        assert max(server.snapshot_ms, server.publish_ms, server.status_ms) <= 2_000
        assert max(network.rest.latency_ms, network.socket.latency_ms) <= 500
        assert schedule.departures() == ()


def test_what_is_drawn_is_a_schedule() -> None:
    (scenario,) = add_faults([], NAMES, LINES, [0.05, 1.0, 5.0, 20.0, 30.0, 60.0])
    for schedule in drawn_from(scenario, 200):
        assert Schedule.from_dict(schedule.to_dict()) == schedule


# -- what costs too much


def test_no_log_is_larger_than_some_megabytes_and_every_state_is_taken() -> None:
    (scenario,) = add_faults([], ["size", "script"])
    several = drawn_from(scenario, 400)
    for schedule in several:
        script = schedule.script
        calls = script.tool_calls + sum(turn.tool_calls for turn in script.later)
        assert script.state_kb <= 900
        assert calls * script.event_kb <= 3_000
    # A frame beyond what a client takes is still drawn.
    assert any(schedule.script.event_kb > 1_024 for schedule in several)
