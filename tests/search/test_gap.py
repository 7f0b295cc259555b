"""Neighbours of a schedule: which times are moved, by how much, and which are not."""

import itertools
from collections.abc import Callable
from dataclasses import replace

from race_harness.model.schedule import (
    Act,
    Caller,
    Fault,
    Late,
    Link,
    Moment,
    Network,
    RestFault,
    Schedule,
    ServerTiming,
)
from race_harness.search.gap import SCALES, TOGETHER, neighbours

BENIGN = Schedule("gap", entropy=7)
FULL = Schedule(
    "gap",
    entropy=7,
    server=ServerTiming(late=(Late(for_ms=300.0),), clock_ms=15.6),
    network=Network(
        socket=Link(400.0, jitter_ms=50.0),
        faults=(Fault("reset"), Fault("stall", Moment(after_ms=250.0), for_ms=2_000.0)),
    ),
    rest=(RestFault("delay", delay_ms=900.0),),
    caller=Caller(timeout_s=1.5, acts=(Act("pause", Moment("run-started", after_ms=50.0)),)),
)


AT_ONCE = TOGETHER * len(SCALES)


def alone(schedule: Schedule) -> list[Schedule]:
    """The neighbours in which one time was moved."""
    return list(itertools.islice(neighbours(schedule, 100.0), 1 + AT_ONCE, None))


def moved(time: Callable[[Schedule], float | None]) -> set[float | None]:
    """What a time of `FULL` becomes in neighbours that differ in it."""
    return {time(other) for other in alone(FULL)} - {time(FULL)}


def test_each_time_is_moved_alone_both_ways_and_not_below_zero() -> None:
    assert moved(lambda s: s.network.socket.latency_ms) == {300.0, 500.0}
    assert moved(lambda s: s.network.faults[1].at.after_ms) == {150.0, 350.0}
    assert moved(lambda s: s.network.faults[1].for_ms) == {1_900.0, 2_100.0}
    assert moved(lambda s: s.rest[0].delay_ms) == {800.0, 1_000.0}
    assert moved(lambda s: s.caller.acts[0].at.after_ms) == {0.0, 150.0}
    assert moved(lambda s: s.server.late[0].for_ms) == {200.0, 400.0}
    assert moved(lambda s: s.server.start_ms) == {0.0, 100.4}
    assert moved(lambda s: s.caller.timeout_s) == {1.4, 1.6}
    assert all(differences(other) == 1 for other in alone(FULL))


def differences(other: Schedule) -> int:
    """In how many numbers it differs from `FULL`."""
    pairs = zip(numbers(other.to_dict()), numbers(FULL.to_dict()), strict=True)
    return sum(one != another for one, another in pairs)


def numbers(value: object) -> list[object]:
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, list | tuple):
        return [number for each in value for number in numbers(each)]
    return [value]


def test_nothing_is_moved_that_is_no_time() -> None:
    for other in alone(FULL):
        assert other.server.clock_ms == 15.6
        assert other.network.socket.jitter_ms == 50.0
        assert other.entropy == 7
        assert len(other.network.faults) == 2
    assert all(other.caller.timeout_s is None for other in alone(BENIGN))


def test_first_comes_what_a_machine_adds() -> None:
    first = next(neighbours(BENIGN, 100.0))
    assert first.server.persist_ms == 10.5
    assert first.server.start_ms == 20.4
    assert first.network == replace(BENIGN.network, rest=Link(5.5))
    assert first.caller == BENIGN.caller


def test_then_all_times_at_once_at_several_scales_with_other_entropy() -> None:
    together = list(neighbours(FULL, 100.0))[1 : 1 + AT_ONCE]
    assert len({other.entropy for other in together} | {7}) == AT_ONCE + 1
    for times in (
        [other.network.socket.latency_ms - 400.0 for other in together],
        [other.rest[0].delay_ms - 900.0 for other in together],
    ):
        for first, scale in enumerate(SCALES):
            at_scale = times[first :: len(SCALES)]
            assert max(map(abs, at_scale)) <= 100.0 * scale
            assert min(at_scale) < 0 < max(at_scale)
    whole = {other.rest[0].delay_ms for other in together[:: len(SCALES)]}
    assert whole == {800.0, 1_000.0}


def test_what_has_less_than_a_millisecond_to_happen_in_is_found_near_by_alone() -> None:
    """Such as a pause between the begin of a run and its first step, begun by 0.6 to 1.0 ms."""
    found = [0.6 < other.server.start_ms < 1.0 for other in neighbours(BENIGN, 100.0)]
    assert any(found[1 : 1 + AT_ONCE])
    assert not any(found[1 : 1 + AT_ONCE : len(SCALES)])
    assert not any(found[1 + AT_ONCE :])


def test_they_are_the_same_again_and_another_gap_is_another() -> None:
    assert list(neighbours(FULL, 100.0)) == list(neighbours(FULL, 100.0))
    assert list(neighbours(FULL, 10.0)) != list(neighbours(FULL, 100.0))
