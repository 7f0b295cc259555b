"""Fault families: each varies its own side, shrinks to what it got, draws only what is real."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from race_harness.model.errors import UsageError
from race_harness.model.schedule import (
    Act,
    Caller,
    ConnectionLink,
    Fault,
    Interleaving,
    LineStall,
    Link,
    Moment,
    Network,
    RestFault,
    Schedule,
    Script,
    ServerTiming,
    Turn,
)
from race_harness.search import families, library
from race_harness.search.fault_strategies import FAMILIES, with_faults
from race_harness.search.strategies import PATIENT_S, line_stalls, milliseconds

PLAIN = Schedule("x", entropy=7)

RICH = Schedule(
    "x",
    entropy=7,
    script=Script(tool_calls=2, event_kb=3, state_kb=4, later=(Turn(says="message"),)),
    server=ServerTiming(
        start_ms=11.1, think_ms=222.2, publish_ms=33.3, status_overtakes=2, clock_ms=1.0
    ),
    network=Network(
        Link(4.4, 5.5, 8_000.0, 99),
        Link(6.6),
        (ConnectionLink(7.7),),
        (Fault("reset", Moment("polled")),),
    ),
    rest=(RestFault("delay", "create", delay_ms=9.9),),
    caller=Caller(
        runs=2,
        settle_s=45.0,
        acts=(Act("pause"),),
        blocking=False,
        between_ms=8.8,
        callback_ms=3.3,
        callback_on="all",
        callback_raises=True,
    ),
    interleaving=Interleaving(3, "pct", 5, stalls=(LineStall("f", "x = 1"),)),
)
"""Something in every part."""

OWN = {
    "latency": {
        "server",
        *(
            f"network.{kind}.{ms}"
            for kind in ("rest", "socket")
            for ms in ("latency_ms", "jitter_ms")
        ),
    },
    "size": {
        *("script.event_kb", "script.state_kb", "script.tool_calls"),
        *(f"network.{kind}.{of}" for kind in ("rest", "socket") for of in ("kbit_s", "buffer_kb")),
    },
    "socket": {"network.connections", "network.faults", "caller.settle_s"},
    "rest": {"rest"},
    "caller": {"caller"},
    "script": {
        f"script.{field.name}"
        for field in fields(Script)
        if field.name not in ("event_kb", "state_kb", "history", "strange")
    },
    "order": {
        "server.publish_ms",
        "server.status_overtakes",
        "server.clock_ms",
        "server.late",
    },
    "between": {
        "network.faults",
        "network.gateway",
        "server.other_subscriber_first",
        "server.other_subscriber_ms",
        "caller.settle_s",
    },
    "contents": {"script.history", "script.strange", "script.tool_calls", "network.faults"},
    "process": {"server.process"},
    "others": {"others", "watchers", "script.outcome"},
    "interleaving": {"interleaving"},
}
"""What each family may vary."""


def simplest(schedules: st.SearchStrategy[Any], holds: Callable[[Any], bool]) -> Any:
    return find(
        schedules,
        holds,
        settings=settings(
            max_examples=3_000,
            phases=[Phase.generate, Phase.shrink],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def drawn(schedules: st.SearchStrategy[Schedule], check: Callable[[Schedule], None]) -> None:
    settings(max_examples=60, deadline=None, database=None)(given(schedules)(check))()


def leaves(value: Any, path: str = "") -> dict[str, Any]:
    """Dotted path to value of every field, a tuple in one piece."""
    if not isinstance(value, dict):
        return {path: value}
    found: dict[str, Any] = {}
    for name, inner in value.items():
        found |= leaves(inner, f"{path}.{name}" if path else name)
    return found


def test_every_family_is_known_here() -> None:
    assert set(OWN) == set(FAMILIES)
    assert (*FAMILIES, families.STALLS) == families.NAMES


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_shrinks_to_the_plain_schedule_it_got(name: str) -> None:
    assert simplest(FAMILIES[name](PLAIN), lambda _schedule: True) == PLAIN


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_shrinks_to_whatever_schedule_it_got(name: str) -> None:
    assert simplest(FAMILIES[name](RICH), lambda _schedule: True) == RICH


def test_all_families_together_shrink_to_nothing() -> None:
    every = with_faults(st.just(PLAIN), list(FAMILIES))
    assert simplest(every, lambda _schedule: True) == PLAIN


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("start", [PLAIN, RICH], ids=["plain", "rich"])
def test_a_family_leaves_the_others_fields_alone(name: str, start: Schedule) -> None:
    before = leaves(start.to_dict())

    def check(schedule: Schedule) -> None:
        changed = {path for path, v in leaves(schedule.to_dict()).items() if before.get(path) != v}
        for path in changed:
            assert any(path == own or path.startswith(f"{own}.") for own in OWN[name]), path

    drawn(FAMILIES[name](start), check)


@pytest.mark.parametrize("name", ["socket", "rest", "caller"])
def test_faults_and_acts_of_the_schedule_stay_before_those_of_the_family(name: str) -> None:
    def check(schedule: Schedule) -> None:
        assert schedule.network.faults[:1] == RICH.network.faults
        assert schedule.rest[:1] == RICH.rest
        assert schedule.caller.acts[:1] == RICH.caller.acts

    drawn(FAMILIES[name](RICH), check)


def test_stalls_of_lines_stay_whatever_else_interleaves() -> None:
    def check(schedule: Schedule) -> None:
        assert schedule.interleaving.stalls == RICH.interleaving.stalls

    drawn(FAMILIES["interleaving"](RICH), check)


@pytest.mark.parametrize("name", FAMILIES)
def test_what_a_family_draws_survives_json_and_is_real(name: str) -> None:
    def check(schedule: Schedule) -> None:
        assert Schedule.from_dict(json.loads(schedule.to_json())) == schedule
        assert not schedule.counterfactual
        assert schedule.departures() == ()
        assert (schedule.scenario, schedule.entropy) == ("x", 7)

    drawn(FAMILIES[name](PLAIN), check)


def test_all_of_them_survive_json_together() -> None:
    def check(schedule: Schedule) -> None:
        assert Schedule.from_dict(json.loads(schedule.to_json())) == schedule
        assert schedule.departures() == ()

    drawn(with_faults(library.load("final-events").schedules(), list(FAMILIES)), check)


def flaps(*faults: Fault) -> bool:
    """Whether one comes back, after nothing but time."""
    first, *others = faults or (None,)
    return first is not None and any(
        other.at.after_ms > first.at.after_ms
        and replace(other, at=replace(other.at, after_ms=first.at.after_ms)) == first
        for other in others
    )


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("latency", lambda s: s.server.other_subscriber_ms > 0),
        ("latency", lambda s: s.network.socket.jitter_ms > 0),
        *(
            ("socket", lambda s, action=action: any(f.action == action for f in s.network.faults))
            for action in ("reset", "close", "stall", "half-open", "refuse", "reject")
        ),
        ("socket", lambda s: s.network.connections != ()),
        ("socket", lambda s: flaps(*s.network.faults)),
        *(
            ("rest", lambda s, action=action: any(f.action == action for f in s.rest))
            for action in ("status", "delay", "truncate", "timeout")
        ),
        ("rest", lambda s: any(not f.acted for f in s.rest)),
        *(
            ("caller", lambda s, what=what: any(act.what == what for act in s.caller.acts))
            for what in ("run", "send-message", "pause", "interrupt", "close")
        ),
        ("caller", lambda s: s.caller.callback_raises),
        ("caller", lambda s: s.caller.runs == 3),
        *(
            ("script", lambda s, outcome=outcome: s.script.outcome == outcome)
            for outcome in ("error", "stuck", "paused", "waiting_for_confirmation")
        ),
        # More events than a page holds.
        ("script", lambda s: s.script.tool_calls == 60),
        ("script", lambda s: len(s.script.later) == 2),
        ("size", lambda s: s.script.event_kb > 1_024),
        ("size", lambda s: s.script.state_kb > 0),
        ("size", lambda s: s.network.socket.buffer_kb < 100),
        ("size", lambda s: s.network.rest.kbit_s is not None),
        ("order", lambda s: s.server.status_overtakes > 0),
        ("script", lambda s: s.script.statistics),
        ("script", lambda s: s.script.deltas > 0),
        ("order", lambda s: s.server.clock_ms > 0),
        *(
            ("order", lambda s, what=what: any(late.what == what for late in s.server.late))
            for what in ("append", "publication", "request", "answer")
        ),
        ("contents", lambda s: s.script.history > 1_000),
        ("contents", lambda s: s.script.strange == "kind"),
        ("contents", lambda s: s.script.strange == "field"),
        ("contents", lambda s: s.network.faults != ()),
        ("process", lambda s: any(event.what == "crash" for event in s.server.process)),
        ("process", lambda s: any(event.what == "disk-full" for event in s.server.process)),
        ("process", lambda s: any(event.by_ms < -10_000 for event in s.server.process)),
        ("process", lambda s: any(event.by_ms > 0 for event in s.server.process)),
        ("process", lambda s: any(event.clock == "stands" for event in s.server.process)),
        ("process", lambda s: any(event.for_ms > 40_000 for event in s.server.process)),
        *(
            ("others", lambda s, what=what: any(act.what == what for act in s.others))
            for what in ("run", "message", "message-and-run", "pause", "confirm", "reject")
        ),
        ("others", lambda s: s.watchers != ()),
        ("others", lambda s: any(act.at.what == "run-returned" for act in s.others)),
        ("between", lambda s: s.network.gateway.answer_s is not None),
        ("between", lambda s: s.network.gateway.idle_s is not None),
        ("between", lambda s: s.network.gateway.connections is not None),
        ("between", lambda s: s.server.other_subscriber_first),
        ("between", lambda s: any(f.way == "up" for f in s.network.faults)),
        ("between", lambda s: any(f.action == "half-open" for f in s.network.faults)),
        *(
            ("interleaving", lambda s, strategy=strategy: s.interleaving.strategy == strategy)
            for strategy in ("random-walk", "pct", "pos")
        ),
    ],
)
def test_a_family_reaches_what_it_is_for(name: str, holds: Callable[[Schedule], bool]) -> None:
    if name == "interleaving":
        assert holds(simplest(FAMILIES[name](PLAIN), holds))
        return
    found = simplest(FAMILIES[name](PLAIN), holds)
    assert holds(found)
    # And what is left of the schedule is only that.
    assert len(found.non_default_fields()) <= 2, found.non_default_fields()


def test_where_only_keep_alive_tells_of_a_fault_the_caller_has_patience() -> None:
    def check(schedule: Schedule) -> None:
        silent = any(fault.action == "half-open" for fault in schedule.network.faults)
        assert schedule.caller.settle_s == (PATIENT_S if silent else 10.0)

    drawn(FAMILIES["socket"](PLAIN), check)


def test_codes_and_lengths_are_drawn_where_they_mean_something_only() -> None:
    def check(schedule: Schedule) -> None:
        for fault in schedule.network.faults:
            assert (fault.for_ms > 0) == (fault.action in ("stall", "refuse"))
            assert fault.code == 1001 or fault.action in ("close", "reject")
        for fault in schedule.rest:
            assert (fault.delay_ms > 0) == (fault.action == "delay")
            assert fault.status == 503 or fault.action == "status"

    drawn(with_faults(st.just(PLAIN), ["socket", "rest"]), check)


@pytest.mark.parametrize("names", [["wind"], ["socket", "wind"], [""], ["all"]])
def test_an_unknown_family_is_one_line_that_lists_the_known(names: list[str]) -> None:
    with pytest.raises(
        UsageError, match="there are: latency, size, socket, rest, caller"
    ) as caught:
        with_faults(st.just(PLAIN), names)
    assert "\n" not in str(caught.value)
    assert repr(names[-1]) in str(caught.value)


def test_no_family_is_no_change() -> None:
    strategy = st.just(PLAIN)
    assert with_faults(strategy, []) is strategy


@pytest.mark.parametrize("benign", [0.0, 0.5, 7.7, 50.0])
def test_times_shrink_to_the_benign_one_and_else_towards_it(benign: float) -> None:
    times = milliseconds(0, 50, benign=benign)
    assert simplest(times, lambda _ms: True) == benign
    if benign < 50:
        assert simplest(times, lambda ms: ms > benign) == pytest.approx(benign + 0.1)
    if benign > 0:
        assert simplest(times, lambda ms: ms < benign) == pytest.approx(benign - 0.1)


def test_a_settle_time_of_the_schedule_is_kept_unless_patience_is_needed() -> None:
    start = replace(PLAIN, caller=Caller(settle_s=45.0))
    calm = simplest(FAMILIES["socket"](start), lambda s: bool(s.network.faults))
    assert calm.caller.settle_s == 45.0


# -- stalls at lines

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


def simplest_stalls(holds: Callable[[Any], bool]) -> Any:
    return simplest(line_stalls(LINES), holds)


def test_they_shrink_to_none() -> None:
    assert simplest_stalls(lambda _: True) == ()


def test_one_shrinks_to_the_first_line_for_a_short_time() -> None:
    assert simplest_stalls(bool) == (LineStall(*LINES[0], nth=1, for_ms=0.1),)


@pytest.mark.parametrize("least_ms", [0.7, 20.0, 4_000.0])
def test_a_stall_shrinks_to_the_shortest_that_does_it(least_ms: float) -> None:
    found = simplest_stalls(lambda stalls: any(stall.for_ms >= least_ms for stall in stalls))
    assert [stall.for_ms for stall in found] == [least_ms]


def test_without_lines_there_are_no_stalls() -> None:
    assert simplest(line_stalls([]), lambda _: True) == ()
