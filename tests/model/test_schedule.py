"""Schedules: what they survive, what they refuse, and how they tell what is special in them."""

import json
import re
from dataclasses import fields, is_dataclass, replace
from functools import partial
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from race_harness.model.errors import UsageError
from race_harness.model.schedule import (
    Fault,
    Interleaving,
    Link,
    Moment,
    Network,
    ProcessEvent,
    Schedule,
    Script,
)
from race_harness.search import library


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Everything that a field of that type may hold."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        kind, field = arguments
        low, high = _limits(field)
        if kind is str:
            return st.text(st.characters(codec="utf-8"), min_size=low, max_size=high)
        if kind is float:
            return st.floats(low, high)
        return st.integers(low, high)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, UnionType):
        return st.one_of(map(values, arguments))
    if origin is tuple:
        return st.lists(values(arguments[0]), max_size=2).map(tuple)
    if is_dataclass(hint):
        hints = get_type_hints(hint, include_extras=True)
        return st.builds(
            partial(_made, hint),
            **{entry.name: values(hints[entry.name]) for entry in fields(hint)},
        )
    return PLAIN[hint]


def _made(hint: Any, /, **drawn: Any) -> Any:
    """Without what only other moments have, where that is refused."""
    try:
        return hint(**drawn)
    except ValueError:
        return hint(**{name: each for name, each in drawn.items() if name not in OTHERS[hint]})


OTHERS: dict[Any, tuple[str, ...]] = {
    Moment: ("request", "link", "socket"),
    Fault: ("there", "way", "link"),
    ProcessEvent: ("for_ms", "by_ms", "clock"),
}


# Not by `st.from_type`, which makes all warnings errors meanwhile: also that of an event loop that
# a trial of another test has left and that is collected just then. Text is any that UTF-8 carries.
PLAIN: dict[object, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(),
    str: st.text(st.characters(codec="utf-8")),
    type(None): st.none(),
}


def _limits(field: Any) -> tuple[int, int]:
    found: dict[str, int] = {}
    for entry in field.metadata:
        for name in ("ge", "gt", "le", "lt", "min_length", "max_length"):
            if hasattr(entry, name):
                found[name] = getattr(entry, name)
    low = found.get("ge", found.get("min_length", 0))
    high = found["lt"] - 1 if "lt" in found else found.get("le", found.get("max_length"))
    assert high is not None
    return low, high


@st.composite
def whole_schedules(draw: st.DrawFn) -> Schedule:
    hints = get_type_hints(Schedule, include_extras=True)
    drawn = {entry.name: draw(values(hints[entry.name])) for entry in fields(Schedule)}
    # What no released server does is refused without it.
    return Schedule(**{**drawn, "counterfactual": True})


SCHEDULES = whole_schedules()


@given(SCHEDULES)
def test_json_brings_back_the_same_schedule_and_the_same_text(schedule: Schedule) -> None:
    text = schedule.to_json()
    again = Schedule.from_dict(json.loads(text))
    assert again == schedule
    assert again.to_json() == text


@pytest.mark.parametrize("name", library.names())
def test_what_scenarios_draw_survives_json(name: str) -> None:
    @given(library.load(name).schedules())
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
        pytest.param({"scenario": "x", "a\nb": 3}, "'a\\nb'", id="unknown field, two lines"),
        pytest.param({}, "'scenario': Field required", id="missing field"),
        pytest.param({"scenario": 7}, "'scenario'", id="number for a text"),
        pytest.param({"scenario": "x", "entropy": "7"}, "'entropy'", id="text for a number"),
        pytest.param({"scenario": "x", "entropy": True}, "'entropy'", id="truth for a number"),
        pytest.param({"scenario": "x", "entropy": 1.5}, "'entropy'", id="fraction of a count"),
        pytest.param({"scenario": "x", "entropy": -1}, "'entropy'", id="below the range"),
        pytest.param({"scenario": "x", "entropy": 2**63}, "'entropy'", id="above the range"),
        pytest.param({"scenario": "x", "schema": 3}, "'schema'", id="another schema"),
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
            "'network.faults[1].action'",
            id="unknown action of the second fault",
        ),
        pytest.param(
            {"scenario": "x", "network": {"faults": [{**FAULT, "at": {"nth": 0}}]}},
            "'network.faults[0].at.nth'",
            id="the zeroth time",
        ),
        pytest.param(
            {"scenario": "x", "network": {"faults": [{**FAULT, "code": 999}]}},
            "'network.faults[0].code'",
            id="no close code",
        ),
        pytest.param(
            {
                "scenario": "x",
                "network": {"faults": [{**FAULT, "at": {"what": "polled", "request": "GET /"}}]},
            },
            "a moment 'polled' has no 'request'",
            id="a request where there is none",
        ),
        pytest.param(
            {
                "scenario": "x",
                "network": {
                    "faults": [{**FAULT, "at": {"what": "request-sent", "request": "/votes"}}]
                },
            },
            "'/votes' is no method and path",
            id="a request without a method",
        ),
        pytest.param(
            {"scenario": "x", "network": {"faults": [{**FAULT, "there": True}]}},
            "a moment 'run-called' is on no connection",
            id="there, which is nowhere",
        ),
        pytest.param(
            {
                "scenario": "x",
                "network": {
                    "faults": [{"action": "refuse", "at": {"what": "frame-up"}, "there": True}]
                },
            },
            "'refuse' is about connections to come",
            id="there, of connections to come",
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
    with pytest.raises(UsageError, match=re.escape(names)) as caught:
        Schedule.from_dict(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "data",
    [
        {"scenario": "x", "entropy": 2**63 - 1},
        {"scenario": "x", "server": {"think_ms": 3_600_000}},
        {"scenario": "x", "network": {"rest": {"latency_ms": 0}, "faults": [FAULT]}},
        {"scenario": "x", "interleaving": {"seed": None}},
        {"scenario": "x", "schema": 2},
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
        "network.faults[0]": fault,
        "interleaving.seed": 0,
    }


@given(SCHEDULES)
def test_what_differs_is_all_that_a_benign_schedule_needs_to_become_this_one(
    schedule: Schedule,
) -> None:
    rebuilt: Any = Schedule(schedule.scenario, schedule.entropy, counterfactual=True)
    for path, value in schedule.non_default_fields().items():
        rebuilt = _with(rebuilt, path.split("."), value)
    assert rebuilt == schedule


def _with(value: Any, path: list[str], leaf: Any) -> Any:
    name, *rest = path
    if name.endswith("]"):
        # One more element of a tuple, in their order.
        name, _, index = name.removesuffix("]").partition("[")
        assert int(index) == len(getattr(value, name))
        inner: Any = (*getattr(value, name), leaf)
    else:
        inner = _with(getattr(value, name), rest, leaf) if rest else leaf
    return replace(value, **{name: inner})


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ({"server": {"flushes_first": True}}, "server.flushes_first"),
        ({"rest": [{"action": "delay"}, {"action": "empty"}]}, "rest[1]"),
    ],
)
def test_what_no_server_does_has_to_be_asked_for(field: dict[str, Any], names: str) -> None:
    with pytest.raises(UsageError, match=re.escape(names)):
        Schedule.from_dict({"scenario": "x", **field})
    asked = Schedule.from_dict({"scenario": "x", "counterfactual": True, **field})
    assert [text.startswith(names) for text in asked.departures()] == [True]


def test_what_servers_do_needs_no_asking() -> None:
    data = {"scenario": "x", "rest": [{"action": "truncate"}], "server": {"status_overtakes": 2}}
    assert Schedule.from_dict(data).departures() == ()


def test_every_part_is_strict_about_its_fields() -> None:
    """Pydantic takes unknown fields silently from a dataclass without a configuration."""
    parts = [Schedule("x"), Fault("reset"), Moment()]
    while parts:
        part = parts.pop()
        parts += [inner for f in fields(part) if is_dataclass(inner := getattr(part, f.name))]  # type: ignore[misc]
        assert type(part).__pydantic_config__["extra"] == "forbid", type(part)
        assert type(part).__pydantic_config__["strict"], type(part)


@pytest.mark.parametrize("what", ["crash", "clock-step"])
def test_only_of_a_freeze_the_clock_may_stand(what: Any) -> None:
    assert ProcessEvent("freeze", for_ms=5.0, clock="stands").clock == "stands"
    assert ProcessEvent(what).clock == "goes-on"
    with pytest.raises(ValueError, match=f"the clock does not stand still .* {what!r}"):
        ProcessEvent(what, clock="stands")
