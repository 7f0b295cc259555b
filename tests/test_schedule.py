"""Schedules: what they survive, what they refuse, and how they tell what is special in them."""

import json
from dataclasses import fields, is_dataclass, replace
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

import scenarios
from harness.errors import UsageError
from harness.schedule import (
    Caller,
    Fault,
    Interleaving,
    Link,
    Moment,
    Network,
    Schedule,
    Script,
    ServerTiming,
)

MILLISECONDS = st.floats(0, 3_600_000)
COUNTS = st.integers(0, 1_000)
SEEDS = st.integers(0, 2**63 - 1)

LINKS = st.builds(Link, MILLISECONDS, MILLISECONDS)
MOMENTS = st.builds(
    Moment,
    what=st.from_type(get_type_hints(Moment)["what"]),
    nth=st.integers(1, 10_000),
    after_ms=MILLISECONDS,
)
FAULTS = st.builds(
    Fault,
    action=st.sampled_from(["reset", "close", "stall", "half-open"]),
    at=MOMENTS,
    link=st.sampled_from(["socket", "rest"]),
    code=st.integers(1000, 4999),
    stall_ms=MILLISECONDS,
)
SCHEDULES = st.builds(
    Schedule,
    # Any text that UTF-8 can carry.
    scenario=st.text(st.characters(codec="utf-8")),
    entropy=SEEDS,
    script=st.builds(
        Script, COUNTS, st.sampled_from(["finished", "error", "stuck"]), stop_hook_denials=COUNTS
    ),
    server=st.builds(ServerTiming, *[MILLISECONDS] * len(fields(ServerTiming))),
    network=st.builds(Network, LINKS, LINKS, st.lists(FAULTS, max_size=3).map(tuple)),
    caller=st.builds(
        Caller,
        pause_ms=MILLISECONDS,
        callback_ms=MILLISECONDS,
        callback_on=st.sampled_from(["finish", "all"]),
        settle_s=st.floats(0, 86_400),
    ),
    interleaving=st.builds(Interleaving, st.none() | SEEDS),
)


@given(SCHEDULES)
def test_json_brings_back_the_same_schedule_and_the_same_text(schedule: Schedule) -> None:
    text = schedule.to_json()
    again = Schedule.from_dict(json.loads(text))
    assert again == schedule
    assert again.to_json() == text


@pytest.mark.parametrize("name", scenarios.names())
def test_what_scenarios_draw_survives_json(name: str) -> None:
    @given(scenarios.load(name).schedules())
    def check(schedule: Schedule) -> None:
        assert Schedule.from_dict(json.loads(schedule.to_json())) == schedule

    check()


def test_what_is_left_out_is_benign() -> None:
    assert Schedule.from_dict({"scenario": "x"}) == Schedule("x")


FAULT = {"action": "reset"}


@pytest.mark.parametrize(
    ("data", "names"),
    [
        pytest.param({"scenario": "x", "wind": 3}, "'wind'", id="unknown field"),
        pytest.param({"scenario": "x", "a\nb": 3}, r"'a\\nb'", id="unknown field, two lines"),
        pytest.param({}, "'scenario': Field required", id="missing field"),
        pytest.param({"scenario": 7}, "'scenario'", id="number for a text"),
        pytest.param({"scenario": "x", "entropy": "7"}, "'entropy'", id="text for a number"),
        pytest.param({"scenario": "x", "entropy": True}, "'entropy'", id="truth for a number"),
        pytest.param({"scenario": "x", "entropy": 1.5}, "'entropy'", id="fraction of a count"),
        pytest.param({"scenario": "x", "entropy": -1}, "'entropy'", id="below the range"),
        pytest.param({"scenario": "x", "entropy": 2**63}, "'entropy'", id="above the range"),
        pytest.param({"scenario": "x", "schema": 2}, "'schema'", id="another schema"),
        pytest.param({"scenario": "x", "schema": "1"}, "'schema'", id="schema as a text"),
        pytest.param({"scenario": "x", "network": None}, "'network'", id="nothing for a part"),
        pytest.param({"scenario": "x", "network": []}, "'network'", id="list for a part"),
        pytest.param(
            {"scenario": "x", "server": {"think_ms": float("nan")}}, "'server.think_ms'", id="NaN"
        ),
        pytest.param(
            {"scenario": "x", "server": {"think_ms": float("inf")}},
            "'server.think_ms'",
            id="infinity",
        ),
        pytest.param(
            {"scenario": "x", "server": {"think_ms": 3_600_000.1}},
            "'server.think_ms'",
            id="more than an hour",
        ),
        pytest.param(
            {"scenario": "x", "server": {"think_s": 1}}, "'server.think_s'", id="unknown, nested"
        ),
        pytest.param(
            {"scenario": "x", "network": {"rest": {"latency_ms": -0.1}}},
            "'network.rest.latency_ms'",
            id="negative time",
        ),
        pytest.param(
            {"scenario": "x", "network": {"faults": [FAULT, {"action": "explode"}]}},
            "'network.faults.1.action'",
            id="unknown action of the second fault",
        ),
        pytest.param(
            {"scenario": "x", "network": {"faults": [{**FAULT, "at": {"nth": 0}}]}},
            "'network.faults.0.at.nth'",
            id="the zeroth time",
        ),
        pytest.param(
            {"scenario": "x", "network": {"faults": [{**FAULT, "code": 999}]}},
            "'network.faults.0.code'",
            id="no close code",
        ),
        pytest.param(
            {"scenario": "x", "interleaving": {"seed": 1.0}}, "'interleaving.seed'", id="1.0"
        ),
        pytest.param({"scenario": "\ud800"}, "'schedule'", id="half a character"),
        pytest.param(None, "'schedule'", id="nothing"),
        pytest.param([], "'schedule'", id="a list"),
        pytest.param("x", "'schedule'", id="a text"),
    ],
)
def test_bad_input_is_one_line_that_names_the_field(data: object, names: str) -> None:
    with pytest.raises(UsageError, match=names) as caught:
        Schedule.from_dict(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        {"scenario": "x", "entropy": 2**63 - 1},
        {"scenario": "x", "server": {"think_ms": 3_600_000}},
        {"scenario": "x", "network": {"rest": {"latency_ms": 0}, "faults": [FAULT]}},
        {"scenario": "x", "interleaving": {"seed": None}},
        {"scenario": "x", "schema": 1},
    ],
)
def test_good_input_at_the_edges_is_taken(data: dict[str, Any]) -> None:
    assert Schedule.from_dict(data).scenario == "x"


def test_a_benign_schedule_has_nothing_to_tell() -> None:
    assert Schedule("any", entropy=7).non_default_fields() == {}


def test_what_differs_is_told_by_path_and_nothing_else() -> None:
    fault = Fault("reset")
    schedule = Schedule(
        "x",
        entropy=7,
        script=Script(tool_calls=2),
        network=Network(socket=Link(jitter_ms=3.0), faults=(fault,)),
        interleaving=Interleaving(0),
    )
    assert schedule.non_default_fields() == {
        "script.tool_calls": 2,
        "network.socket.jitter_ms": 3.0,
        "network.faults": (fault,),
        "interleaving.seed": 0,
    }


@given(SCHEDULES)
def test_what_differs_is_all_that_a_benign_schedule_needs_to_become_this_one(
    schedule: Schedule,
) -> None:
    rebuilt: Any = Schedule(schedule.scenario, schedule.entropy)
    for path, value in schedule.non_default_fields().items():
        rebuilt = _with(rebuilt, path.split("."), value)
    assert rebuilt == schedule


def _with(value: Any, path: list[str], leaf: Any) -> Any:
    name, *rest = path
    inner = _with(getattr(value, name), rest, leaf) if rest else leaf
    return replace(value, **{name: inner})


def test_every_part_is_strict_about_its_fields() -> None:
    """Pydantic takes unknown fields silently from a dataclass without a configuration."""
    parts = [Schedule("x"), Fault("reset"), Moment()]
    while parts:
        part = parts.pop()
        parts += [inner for f in fields(part) if is_dataclass(inner := getattr(part, f.name))]  # type: ignore[misc]
        assert type(part).__pydantic_config__["extra"] == "forbid", type(part)
        assert type(part).__pydantic_config__["strict"], type(part)
