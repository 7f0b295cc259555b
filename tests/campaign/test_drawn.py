"""Schedules that are drawn while trials run are those that are drawn at once."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import strategies as st

from race_harness.campaign import drawn as module
from race_harness.campaign.drawn import DrawnSchedules
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule, Script
from race_harness.search import library
from race_harness.search.draw import BATCH, draw_batch, draw_schedules


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Which batches have been drawn."""
    asked: list[int] = []

    def noted(scenario: Scenario, seed: int, batch: int, size: int) -> list[Schedule]:
        asked.append(batch)
        return draw_batch(scenario, seed, batch, size)

    monkeypatch.setattr(module, "draw_batch", noted)
    yield asked
    assert "drawing" not in [thread.name for thread in threading.enumerate()]


SMALL = Scenario("small", "", lambda: st.integers(0, 9).map(lambda n: Schedule("", Script(n))))


def test_they_are_those_that_are_drawn_at_once(batches: list[int]) -> None:
    scenario = library.load("final-events")
    at_once = list(draw_schedules(scenario, 3, 2 * BATCH + 30))
    schedules = DrawnSchedules(scenario, 3, len(at_once))
    assert len(schedules) == len(at_once)
    assert list(schedules) == at_once
    assert [schedules[place] for place in (0, BATCH, -1)] == [
        at_once[place] for place in (0, BATCH, -1)
    ]
    for part in (slice(20), slice(BATCH - 1, None), slice(len(at_once), None)):
        assert list(schedules[part]) == at_once[part]
    assert batches == [0, 1, 2]


def test_no_more_are_drawn_than_one_batch_ahead(batches: list[int]) -> None:
    going = iter(DrawnSchedules(SMALL, 0, 10**9))
    assert next(going).scenario == "small"
    going.close()  # type: ignore[attr-defined]
    assert batches == [0, 1]


def test_what_was_longest_ago_is_drawn_again(
    batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_KEPT", 2)
    schedules = DrawnSchedules(SMALL, 0, 4 * BATCH)
    first, second = list(schedules), list(schedules)
    assert first == second == list(draw_schedules(SMALL, 0, 4 * BATCH))
    assert batches == [0, 1, 2, 3, 0, 1, 2, 3]


def test_what_a_strategy_raises_is_raised_to_whoever_goes_through_them(
    batches: list[int],
) -> None:
    def broken() -> st.SearchStrategy[Schedule]:
        raise LookupError("no such strategy")

    with pytest.raises(LookupError, match="no such strategy"):
        list(DrawnSchedules(Scenario("broken", "", broken), 0, 10))
    assert batches == [0]
