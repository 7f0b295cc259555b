"""Strategies for parts of a schedule: within limits, and simplest when shrunk."""

from collections.abc import Callable

import pytest
from hypothesis import find, given, settings

from harness.schedule import Interleaving, LineStall, Schedule
from harness.strategies import line_stalls

LINES = [("Client.run", "first()"), ("Client.run", "second()"), ("listen", "third()")]


@given(line_stalls(LINES))
@settings(max_examples=200)
def test_stalls_are_few_and_at_lines_that_there_are(stalls: tuple[LineStall, ...]) -> None:
    assert len(stalls) <= 3
    for stall in stalls:
        assert (stall.function, stall.line) in LINES
        assert 1 <= stall.nth <= 3
        assert 0.1 <= stall.for_ms <= 5_000
        assert stall.for_ms == round(stall.for_ms, 1)
    schedule = Schedule("test", interleaving=Interleaving(stalls=stalls))
    assert Schedule.from_dict(schedule.to_dict()) == schedule


def simplest(condition: Callable[[tuple[LineStall, ...]], bool]) -> tuple[LineStall, ...]:
    return find(
        line_stalls(LINES), condition, settings=settings(database=None, max_examples=2_000)
    )


def test_they_shrink_to_none() -> None:
    assert simplest(lambda _: True) == ()


def test_one_shrinks_to_the_first_line_for_a_short_time() -> None:
    assert simplest(bool) == (LineStall(*LINES[0], nth=1, for_ms=0.1),)


@pytest.mark.parametrize("least_ms", [0.7, 20.0, 4_000.0])
def test_a_stall_shrinks_to_the_shortest_that_does_it(least_ms: float) -> None:
    found = simplest(lambda stalls: any(stall.for_ms >= least_ms for stall in stalls))
    assert [stall.for_ms for stall in found] == [least_ms]


def test_without_lines_there_are_no_stalls() -> None:
    assert find(line_stalls([]), lambda _: True) == ()
