"""The scenarios: each draws what its docstring promises, and knows what it is said to."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from race_harness.cli.scenarios import markdown_table
from race_harness.model.errors import UsageError
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Caller, Interleaving, Schedule
from race_harness.search import library
from race_harness.search.draw import draw_schedules

NAMES = library.names()


def test_the_hazards_of_the_pull_request_are_there() -> None:
    assert {"clean", "cut-at-run", "delayed-callback", "final-events"} < set(NAMES)
    assert len(NAMES) > 40


@pytest.mark.parametrize("name", NAMES)
def test_each_loads_under_its_own_name(name: str) -> None:
    scenario = library.load(name)
    assert scenario.name == name
    assert scenario.summary
    assert "\n" not in scenario.summary


@pytest.mark.parametrize("name", NAMES)
def test_what_is_read_from_its_file_is_what_it_is(name: str) -> None:
    loaded, read = library.load(name), library.described(name)
    assert replace(read, schedules=loaded.schedules) == loaded
    assert list(draw_schedules(read, 0, 1)) == list(draw_schedules(loaded, 0, 1))


@pytest.mark.parametrize("name", ["", "cleaner", "final_events", "Clean", "../clean", "__init__"])
def test_an_unknown_name_is_one_line_that_lists_the_known(name: str) -> None:
    with pytest.raises(UsageError, match=r"clean, clock-stepped, .*, terminal-polls") as e:
        library.load(name)
    assert "\n" not in str(e.value)
    with pytest.raises(UsageError, match=str(e.value)):
        library.described(name)


@pytest.mark.parametrize("name", NAMES)
def test_each_file_tells_its_history(name: str) -> None:
    first_line, _, history = (library.module(name).__doc__ or "").partition("\n\n")
    assert first_line.endswith(".")
    assert len(history.split()) > 30


def every_drawn(name: str) -> Callable[[Callable[[Schedule], None]], None]:
    """Run a check on many schedules; a failing one is shrunk."""

    def run(check: Callable[[Schedule], None]) -> None:
        settings(max_examples=100, deadline=None)(given(library.load(name).schedules())(check))()

    return run


@pytest.mark.parametrize("name", NAMES)
def test_drawn_schedules_bear_the_name_and_are_within_all_limits(name: str) -> None:
    @every_drawn(name)
    def _(schedule: Schedule) -> None:
        assert schedule.scenario == name
        assert Schedule.from_dict(json.loads(schedule.to_json())) == schedule


def test_clean_is_the_order_of_the_recorded_sessions() -> None:
    @every_drawn("clean")
    def _(schedule: Schedule) -> None:
        rest_ms = schedule.network.rest.latency_ms
        # The answer to `POST /run` and the first poll are under way one after the other.
        assert schedule.server.answer_run_ms < schedule.server.start_ms < 2 * rest_ms
        # The run outlasts that answer.
        assert schedule.server.start_ms + schedule.server.think_ms > rest_ms
        assert schedule.network.faults == ()
        assert schedule.network.rest.jitter_ms == schedule.network.socket.jitter_ms == 0
        assert schedule.interleaving == Interleaving(None)
        assert schedule.caller == Caller()


def test_final_events_draws_delays_and_switches_but_no_fault() -> None:
    @every_drawn("final-events")
    def _(schedule: Schedule) -> None:
        assert schedule.network.faults == ()
        assert schedule.caller == Caller()
        assert schedule.script.outcome == "finished"
        assert schedule.script.stop_hook_denials == 0
        # The run outlasts the answer of `POST /run`.
        assert schedule.server.answer_run_ms == 0
        rest_ms = schedule.network.rest.latency_ms
        assert schedule.server.start_ms + schedule.server.think_ms > rest_ms


def test_final_events_reaches_both_races_of_1_10_0() -> None:
    drawn = list(draw_schedules(library.load("final-events"), 0, 100))
    assert any(s.server.start_ms > 2 * s.network.rest.latency_ms for s in drawn)
    assert any(s.server.publish_ms + s.network.socket.latency_ms > 200 for s in drawn)
    assert {s.interleaving.seed is None for s in drawn} == {True, False}


def test_cut_at_run_resets_the_socket_once_when_run_is_called() -> None:
    @every_drawn("cut-at-run")
    def _(schedule: Schedule) -> None:
        (fault,) = schedule.network.faults
        assert (fault.action, fault.link) == ("reset", "socket")
        assert (fault.at.what, fault.at.nth, fault.at.after_ms) == ("run-called", 1, 0)
        assert schedule.interleaving == Interleaving(None)
        assert schedule.caller == Caller()


def test_delayed_callback_is_one_schedule_and_nothing_else_is_out_of_the_ordinary() -> None:
    @every_drawn("delayed-callback")
    def _(schedule: Schedule) -> None:
        assert schedule.non_default_fields() == {
            "caller.callback_ms": 3_000.0,
            "caller.settle_s": 15.0,
        }


@pytest.mark.parametrize(
    ("version", "fails"),
    [("1.10.0", True), ("1.11.1", False), ("1.24.0", False), ("1.25.0", True), ("1.58.0", True)],
)
def test_a_hazard_may_come_back(version: str, fails: bool) -> None:
    again = Scenario("again", "comes back", st.nothing, fails="<1.11.1 || >=1.25")
    assert again.known_to_fail(version) is fails


@pytest.mark.parametrize(
    ("name", "version", "fails"),
    [
        ("final-events", "1.10.0", True),
        ("final-events", "1.11.0", True),
        ("final-events", "1.11.1", False),
        ("final-events", "1.58.0", False),
        ("final-events", "1.9.10", True),
        # A checkout of the release, or of what comes after it.
        ("final-events", "1.10.0+g611629e69", True),
        ("final-events", "1.10.0+g611629e69.dirty", True),
        ("final-events", "1.11.1+g611629e69", False),
        # The fix's own branch: 1.11.1 is what is being tested.
        ("final-events", "1.11.1.dev3+g611629e69", False),
        ("final-events", "1.11.1rc1", False),
        ("final-events", "1.11.0.dev1", True),
        ("final-events", "1.11.0.post1", True),
        ("delayed-callback", "1.10.0", True),
        ("delayed-callback", "1.11.1", False),
        ("cut-at-run", "1.10.0", True),
        ("cut-at-run", "1.58.0", True),
        ("cut-at-run", "2.0.dev1", True),
        ("cut-at-run", "0.1.0", False),
        ("clean", "1.10.0", False),
        ("clean", "1.58.0+g1", False),
    ],
)
def test_what_is_known_to_fail(name: str, version: str, fails: bool) -> None:
    assert library.load(name).known_to_fail(version) is fails


def test_the_list_in_the_docs_is_the_one_that_there_is() -> None:
    page = Path(__file__).parent.parent / "docs" / "results" / "scenarios.md"
    table = list(markdown_table([library.load(name) for name in NAMES]))
    lines = page.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line.startswith("|")] == table
