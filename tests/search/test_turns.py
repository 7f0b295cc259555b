"""Scenarios take turns; with a seed the schedules are always the same."""

from itertools import chain, islice

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule
from race_harness.search import library
from race_harness.search.turns import turns


def test_scenarios_take_turns_under_their_own_names() -> None:
    chosen = [library.load(name) for name in ("final-events", "cut-at-run")]
    names = [schedule.scenario for schedule in chain.from_iterable(turns(chosen, 0, 35))]
    assert names == [
        *["final-events"] * 10,
        *["cut-at-run"] * 10,
        *["final-events"] * 10,
        *["cut-at-run"] * 5,
    ]


def test_there_are_as_many_as_are_asked_for_and_a_prefix_is_the_same() -> None:
    chosen = [library.load("final-events")]
    for examples in (1, 10, 99, 100, 101, 205):
        assert len([*chain.from_iterable(turns(chosen, 0, examples))]) == examples
    few, many = ([*chain.from_iterable(turns(chosen, 3, examples))] for examples in (120, 250))
    assert few == many[:120]
    assert [*islice(chain.from_iterable(turns(chosen, 3)), 250)] == many
    assert [*chain.from_iterable(turns(chosen, 4, 120))] != few


def test_a_scenario_of_few_schedules_goes_on_with_other_ids() -> None:
    one = Scenario("one", "a single schedule", lambda: st.just(Schedule("one")))
    drawn = [*chain.from_iterable(turns([one], 0, 230))]
    assert len({schedule.entropy for schedule in drawn}) > 200
    assert {schedule.scenario for schedule in drawn} == {"one"}


def test_only_the_first_batch_begins_with_benign_schedules() -> None:
    """Hypothesis begins each with the smallest; they have been tried by then."""
    drawn = [*chain.from_iterable(turns([library.load("final-events")], 0, 190))]
    benign = [not schedule.non_default_fields() for schedule in drawn]
    assert benign[0]
    assert sum(benign[:10]) > sum(benign[100:110])
