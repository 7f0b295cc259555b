"""Schedules around one: near it, legal, and the same each time."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from race_harness.bisect.neighbourhood import FACTOR, SHIFTS_MS, neighbourhood
from race_harness.model.paths import put
from race_harness.model.schedule import (
    Act,
    Caller,
    Fault,
    Interleaving,
    Link,
    Moment,
    Network,
    Schedule,
    ServerTiming,
)
from race_harness.search.fault_strategies import FAMILIES, with_faults
from race_harness.search.times import times_of

FAILING = Schedule(
    "final-events",
    entropy=7,
    server=ServerTiming(think_ms=601.1, status_overtakes=2),
    network=Network(
        socket=Link(500.0, jitter_ms=50.0),
        faults=(Fault("stall", Moment("frame-sent", nth=4, after_ms=20.0), for_ms=2_000.0),),
    ),
    caller=Caller(timeout_s=3.0, acts=(Act("pause", Moment("run-started", nth=1)),)),
)


def test_the_schedule_itself_comes_first_and_all_others_differ() -> None:
    found = neighbourhood(FAILING, 100)
    assert found[0] == FAILING
    assert len({schedule.to_json() for schedule in found}) == 100


def test_it_is_the_same_each_time_and_its_begin_does_not_depend_on_its_size() -> None:
    assert neighbourhood(FAILING, 30) == neighbourhood(FAILING, 100)[:30]
    assert neighbourhood(FAILING, 1) == [FAILING]
    other = neighbourhood(replace(FAILING, entropy=8), 2)
    assert other[1] != neighbourhood(FAILING, 2)[1]


def test_times_are_near_and_what_is_no_time_stays() -> None:
    times = dict(times_of(FAILING))
    for schedule in neighbourhood(FAILING, 200):
        left = schedule
        for path, value in times_of(schedule):
            before = times[path]
            assert (value == 0) == (before == 0) or before <= SHIFTS_MS[1]
            scaled = before / FACTOR - 0.001 <= value <= before * FACTOR + 0.001
            unit = 1e-3 if str(path[-1]).endswith("_s") else 1.0
            shifted = abs(value - before) <= SHIFTS_MS[1] * unit + 0.001
            assert scaled or shifted, (path, before, value)
            left = put(left, path, before)
        (fault,), (act,) = left.network.faults, left.caller.acts
        assert abs(fault.at.nth - 4) <= 1
        assert act.at.nth in (1, 2)
        left = put(left, ("network", "faults", 0, "at", "nth"), 4)
        left = put(left, ("caller", "acts", 0, "at", "nth"), 1)
        assert replace(left, entropy=7) == FAILING


def test_what_the_harness_itself_waits_for_stays() -> None:
    assert {schedule.caller.settle_s for schedule in neighbourhood(FAILING, 50)} == {10.0}


def test_counts_are_varied() -> None:
    nths = {schedule.network.faults[0].at.nth for schedule in neighbourhood(FAILING, 100)}
    assert nths == {3, 4, 5}


@pytest.mark.parametrize("seed", [None, 5])
def test_threads_are_varied_where_a_seed_says_how_they_go(seed: int | None) -> None:
    schedule = replace(FAILING, interleaving=Interleaving(seed))
    seeds = {each.interleaving.seed for each in neighbourhood(schedule, 20)}
    assert seeds == {None} if seed is None else len(seeds) == 20


@settings(max_examples=20)
@given(with_faults(st.just(Schedule("any")), sorted(FAMILIES)))
def test_whatever_can_be_drawn_has_legal_schedules_around_it(schedule: Schedule) -> None:
    for each in neighbourhood(schedule, 12):
        assert Schedule.from_dict(each.to_dict()) == each


def test_the_longest_times_stay_legal() -> None:
    schedule = replace(FAILING, server=ServerTiming(think_ms=3_600_000.0, tool_ms=80_000.0))
    schedule = replace(schedule, caller=Caller(timeout_s=86_400.0))
    for each in neighbourhood(schedule, 50):
        assert Schedule.from_dict(each.to_dict()) == each
