"""Shrinking, on predicates whose smallest schedule is known."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from race_harness.model.schedule import (
    Act,
    Caller,
    Fault,
    Gateway,
    Interleaving,
    Link,
    Moment,
    Network,
    RestFault,
    Schedule,
    Script,
    ServerTiming,
    Turn,
)
from race_harness.search.shrinking import smaller

WIDE = Schedule(
    "x",
    entropy=7,
    script=Script(tool_calls=60, outcome="stuck", later=(Turn(tool_calls=3), Turn(deltas=2))),
    server=ServerTiming(start_ms=800.0, think_ms=950.0, publish_ms=70.0, status_overtakes=3),
    network=Network(
        rest=Link(300.0, 20.0),
        faults=(
            Fault("reset", Moment("persisted", 4, 12.5, "run-called")),
            Fault("stall", Moment("frame-sent", 2), for_ms=3_000.0),
        ),
        gateway=Gateway(answer_s=30.0),
    ),
    rest=(RestFault("status", "events", nth=3, status=429), RestFault("timeout", "run")),
    caller=Caller(runs=3, acts=(Act("run"), Act("pause"))),
    interleaving=Interleaving(99, "pct", at_lines=True),
)


def shrunk(schedule: Schedule, fails: Callable[[Schedule], bool]) -> tuple[Schedule, int]:
    """The smallest, and how many were tried."""
    steps, tried = smaller(schedule), 0
    candidate = next(steps, None)
    while candidate is not None:
        tried += 1
        failed = fails(candidate)
        schedule = candidate if failed else schedule
        try:
            candidate = steps.send(failed)
        except StopIteration:
            return schedule, tried
    return schedule, tried


@pytest.mark.parametrize(
    ("fails", "left"),
    [
        (lambda _one: True, {}),
        (lambda one: one.caller.runs > 1, {"caller.runs": 2}),
        (lambda one: one.script.outcome == "stuck", {"script.outcome": "stuck"}),
        (lambda one: one.rest != (), {"rest[0]": RestFault("timeout")}),
        (
            lambda one: any(fault.action == "stall" for fault in one.network.faults),
            {"network.faults[0]": Fault("stall")},
        ),
        (
            lambda one: one.interleaving.seed == 99 and one.network.gateway.answer_s,
            {"network.gateway.answer_s": 30.0, "interleaving.seed": 99},
        ),
    ],
    ids=["nothing", "a number", "a word", "an element", "its fields", "what has no less"],
)
def test_what_is_not_needed_is_left_out(
    fails: Callable[[Schedule], bool], left: dict[str, object]
) -> None:
    smallest, tried = shrunk(WIDE, fails)
    assert smallest.non_default_fields() == left
    assert smallest.entropy == WIDE.entropy
    assert tried < 60


def test_numbers_come_within_a_tenth_of_the_border_and_are_round() -> None:
    smallest, tried = shrunk(WIDE, lambda one: one.server.start_ms >= 437.3)
    (value,) = smallest.non_default_fields().values()
    assert isinstance(value, float)
    assert 437.3 <= value <= 482
    assert value == round(value)
    assert tried < 40


def test_a_number_below_benign_comes_nearer_to_it() -> None:
    slow = replace(WIDE, server=ServerTiming(think_ms=1.0))
    smallest, _tried = shrunk(slow, lambda one: one.server.think_ms < 100)
    (value,) = smallest.non_default_fields().values()
    assert isinstance(value, float)
    assert 80 < value < 100


def test_no_schedule_is_tried_twice_nor_one_that_cannot_be() -> None:
    tried: list[Schedule] = []

    def fails(one: Schedule) -> bool:
        tried.append(one)
        return len(one.network.faults) == 2 and one.caller.runs == 3

    shrunk(WIDE, fails)
    assert len(set(tried)) == len(tried)
    assert WIDE not in tried
    assert all(Schedule.from_dict(one.to_dict()) == one for one in tried)


def test_what_permits_others_stays_with_them() -> None:
    empty = Schedule(
        "x", rest=(RestFault("empty", "events"),), caller=Caller(runs=2), counterfactual=True
    )
    smallest, _tried = shrunk(empty, lambda one: bool(one.rest))
    assert smallest.non_default_fields().keys() == {"rest[0]", "counterfactual"}


def test_a_benign_schedule_has_nothing_less() -> None:
    assert [*smaller(Schedule("x"))] == []
