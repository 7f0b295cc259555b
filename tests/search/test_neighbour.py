"""The search for the nearest schedule that passes, on predicates whose answer is known."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from race_harness.model.errors import WorldBroken
from race_harness.model.schedule import (
    Fault,
    Interleaving,
    Link,
    Moment,
    Network,
    RestFault,
    Schedule,
    Script,
    ServerTiming,
)
from race_harness.search.neighbour import AlreadyPasses, nearest_passing
from race_harness.workers.pool import Workers

SCHEDULE = Schedule(
    "any",
    script=Script(tool_calls=9),
    server=ServerTiming(publish_ms=300.0, think_ms=150.0),
    network=Network(socket=Link(500.0)),
)


class Counted:
    """A predicate that counts how often it is asked."""

    def __init__(self, passes: Callable[[Schedule], bool]) -> None:
        self.passes = passes
        self.asked: list[Schedule] = []

    def __call__(self, schedule: Schedule) -> bool:
        self.asked.append(schedule)
        return self.passes(schedule)


def test_the_border_is_found_to_the_last_tenth() -> None:
    passes = Counted(lambda s: s.network.socket.latency_ms <= 297.5)
    found = nearest_passing(SCHEDULE, passes)
    assert found is not None
    assert (found.path, found.failing, found.passing, found.still_failing) == (
        "network.socket.latency_ms", 500.0, 297.5, 297.6,
    )  # fmt: skip
    assert found.schedule == replace(
        SCHEDULE, network=replace(SCHEDULE.network, socket=Link(297.5))
    )
    assert found.distance == pytest.approx(202.5 / 499.5)
    assert found.tries == len(passes.asked) <= 60
    # Both are tried once more at the end.
    assert passes.asked[-2:] == [found.schedule, SCHEDULE]


def test_the_permission_to_depart_from_released_servers_is_no_cause() -> None:
    """Without it the schedule would not be one."""
    empty = Schedule("any", rest=(RestFault("empty", "events"),), counterfactual=True)
    found = nearest_passing(empty, lambda schedule: not schedule.rest)
    assert found is not None
    assert (found.path, found.schedule.counterfactual) == ("rest[0]", True)


def test_the_least_move_relative_to_its_way_wins() -> None:
    """40 ms of 499.5 are less of the way than 30 ms of 299.5."""
    found = nearest_passing(
        SCHEDULE,
        lambda s: s.network.socket.latency_ms <= 460 or s.server.publish_ms <= 270,
    )
    assert found is not None
    assert (found.path, found.passing) == ("network.socket.latency_ms", 460.0)
    found = nearest_passing(
        SCHEDULE,
        lambda s: s.network.socket.latency_ms <= 460 or s.server.publish_ms <= 280,
    )
    assert found is not None
    assert (found.path, found.passing) == ("server.publish_ms", 280.0)


@pytest.mark.parametrize("border", [150.1, 163.7, 199.9, 200.0])
def test_a_field_may_have_to_grow(border: float) -> None:
    found = nearest_passing(SCHEDULE, lambda s: s.server.think_ms >= border)
    assert found is not None
    assert (found.path, found.passing) == ("server.think_ms", border)
    assert found.still_failing == pytest.approx(border - 0.1)


def test_whole_numbers_stay_whole() -> None:
    found = nearest_passing(SCHEDULE, lambda s: s.script.tool_calls < 7)
    assert found is not None
    assert (found.path, found.passing, found.still_failing) == ("script.tool_calls", 6, 7)
    assert isinstance(found.passing, int)


@pytest.mark.parametrize("latency", [0.6, 0.51, 3_600_000.0])
def test_the_ends_of_the_range_are_searched(latency: float) -> None:
    schedule = Schedule("any", network=Network(socket=Link(latency)))
    found = nearest_passing(schedule, lambda s: s.network.socket.latency_ms < latency)
    assert found is not None
    assert 0.5 <= found.passing < latency
    assert latency - found.passing <= 0.1 + 1e-9


def test_none_passes() -> None:
    passes = Counted(lambda s: s.server.publish_ms < 1 and s.network.socket.latency_ms < 1)
    assert nearest_passing(SCHEDULE, passes) is None
    assert len(passes.asked) == 1 + len(SCHEDULE.non_default_fields())
    assert nearest_passing(Schedule("any"), lambda _s: False) is None


def test_a_choice_is_all_or_nothing_and_loses_to_any_shorter_move() -> None:
    schedule = replace(
        SCHEDULE, script=Script(outcome="error"), interleaving=Interleaving(seed=77)
    )
    found = nearest_passing(schedule, lambda s: s.script.outcome == "finished")
    assert found is not None
    assert (found.path, found.passing, found.distance) == ("script.outcome", "finished", 1.0)
    found = nearest_passing(schedule, lambda s: s.interleaving.seed is None)
    assert found is not None
    assert (found.path, found.passing) == ("interleaving.seed", None)
    found = nearest_passing(
        schedule, lambda s: s.interleaving.seed is None or s.server.publish_ms < 5
    )
    assert found is not None
    assert found.path == "server.publish_ms"


def test_faults_are_left_out_one_by_one_or_made_milder() -> None:
    stall = Fault("stall", Moment("persisted", nth=3, after_ms=80.0), for_ms=400.0)
    schedule = Schedule("any", network=Network(faults=(Fault("reset"), stall)))
    found = nearest_passing(schedule, lambda s: stall not in s.network.faults)
    assert found is not None
    # A tenth is less of 400 than of 80.
    assert (found.path, found.passing) == ("network.faults[1].for_ms", 399.9)
    found = nearest_passing(schedule, lambda s: all(f.action != "reset" for f in s.network.faults))
    assert found is not None
    assert (found.path, found.passing) == ("network.faults[0]", None)
    assert found.schedule.network.faults == (stall,)
    found = nearest_passing(schedule, lambda s: all(f.for_ms < 100 for f in s.network.faults))
    assert found is not None
    assert (found.path, found.passing) == ("network.faults[1].for_ms", 99.9)
    assert found.schedule.network.faults == (Fault("reset"), replace(stall, for_ms=99.9))
    found = nearest_passing(schedule, lambda s: s.network.faults[-1].at.nth == 2)
    assert found is None
    found = nearest_passing(schedule, lambda s: s.network.faults[-1].at.nth < 3)
    assert found is not None
    assert (found.path, found.passing) == ("network.faults[1].at.nth", 2)


@pytest.mark.parametrize("tries", [3, 8, 12, 60])
def test_no_more_tries_than_allowed(tries: int) -> None:
    passes = Counted(lambda s: s.network.socket.latency_ms <= 297.5)
    found = nearest_passing(SCHEDULE, passes, tries)
    assert len(passes.asked) <= tries
    if found is not None:
        assert passes.passes(found.schedule)
        assert found.passing <= 297.5 < found.still_failing


def test_a_schedule_that_passes_has_no_neighbour() -> None:
    with pytest.raises(AlreadyPasses, match="passes as it is"):
        nearest_passing(SCHEDULE, lambda _s: True)


def test_what_does_not_repeat_is_not_reported() -> None:
    fickle = Counted(lambda s: s != SCHEDULE or fickle.asked.count(SCHEDULE) > 1)
    with pytest.raises(WorldBroken, match="did not repeat"):
        nearest_passing(SCHEDULE, fickle)


@pytest.mark.slow
def test_a_real_client_that_trusts_a_poll_hinges_on_a_delay(
    workers: Callable[[str], Workers],
) -> None:
    schedule = Schedule(
        "final-events", server=ServerTiming(publish_ms=400.0), network=Network(socket=Link(90.0))
    )

    def passes(candidate: Schedule) -> bool:
        return workers("reference:poll").run([candidate], lambda _result: None)[0].passed

    found = nearest_passing(schedule, passes)
    assert found is not None
    assert found.path in ("server.publish_ms", "network.socket.latency_ms")
    assert 0 < found.distance < 1
    assert passes(found.schedule)
    assert not passes(schedule)
    # A tenth of a millisecond decides.
    assert found.still_failing == pytest.approx(found.passing + 0.1)


def test_where_threads_go_on_by_a_seed_no_other_time_is_tried() -> None:
    """Another time is another draw. Without the seed it is a time like any other."""
    seeded = Schedule(
        "test_a.py::test_a",
        network=Network(rest=Link(40.0)),
        interleaving=Interleaving(3, at_lines=True),
    )
    tried: list[Schedule] = []

    def passes(schedule: Schedule) -> bool:
        tried.append(schedule)
        return not schedule.interleaving.at_lines

    found = nearest_passing(seeded, passes)
    assert found is not None
    assert (found.path, found.passing) == ("interleaving.at_lines", False)
    assert {one.network.rest.latency_ms for one in tried} == {40.0}
    unseeded = replace(seeded, interleaving=Interleaving())
    assert nearest_passing(unseeded, lambda one: one.network.rest.latency_ms < 20) is not None
