"""The smallest failing schedule."""

from collections.abc import Callable

import pytest
from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule
from race_harness.search import library
from race_harness.search.minimal import minimal_schedule
from race_harness.workers.pool import Workers

FINAL_EVENTS = library.load("final-events")


def test_it_differs_from_a_benign_one_only_where_it_must() -> None:
    found = minimal_schedule(FINAL_EVENTS, 0, lambda s: s.server.publish_ms >= 100)
    assert found == Schedule("final-events", server=found.server)  # type: ignore[union-attr]
    assert found.non_default_fields() == {"server.publish_ms": 100.0}


def test_none_where_nothing_fails() -> None:
    judged: list[Schedule] = []

    def fails(schedule: Schedule) -> bool:
        judged.append(schedule)
        return False

    assert minimal_schedule(FINAL_EVENTS, 0, fails, examples=20) is None
    assert len(judged) == 20


def test_what_is_judged_bears_the_scenarios_name() -> None:
    scenario = Scenario("named", "", lambda: st.just(Schedule("nameless")))
    found = minimal_schedule(scenario, 0, lambda schedule: schedule.scenario == "named")
    assert found == Schedule("named")


@pytest.mark.slow
def test_the_poll_bugs_smallest_failure_is_late_and_the_same_each_time(
    workers: Callable[[str], Workers],
) -> None:
    poll = workers("reference:poll")

    def search() -> tuple[Schedule | None, list[tuple[str, ...]]]:
        judged: list[tuple[str, ...]] = []

        def late(schedule: Schedule) -> bool:
            judged.append(poll.run_whole(schedule)[0].verdicts)
            return judged[-1] == ("late",)

        return minimal_schedule(FINAL_EVENTS, 1, late, examples=60), judged

    schedule, judged = search()
    assert schedule is not None
    assert poll.run_whole(schedule)[0].verdicts == ("late",)
    assert len(schedule.non_default_fields()) <= 3
    assert search() == (schedule, judged)
    # It is the bug that fails, not the schedule.
    assert workers("reference").run_whole(schedule)[0].passed
