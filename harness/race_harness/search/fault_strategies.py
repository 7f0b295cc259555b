"""Hypothesis strategies for whole families of faults.

A *family* takes a schedule and varies one side of it. Families combine: none touches what another
varies, and everything shrinks to what the schedule had before, so that what is left of a shrunk
schedule is the explanation. They draw only what a real server or network can do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial

from hypothesis import strategies as st

from race_harness.model.schedule import (
    Act,
    ConnectionLink,
    Fault,
    Late,
    LineStall,
    Link,
    RestFault,
    Schedule,
    Script,
    Turn,
)
from race_harness.search.families import STALLS, check
from race_harness.search.strategies import (
    CODES,
    PATIENT_S,
    during_run,
    line_stalls,
    milliseconds,
    once,
    switches,
)
from race_harness.search.world_strategies import between, contents, others, process


@st.composite
def latency(draw: st.DrawFn, schedule: Schedule) -> Schedule:
    """Links and server are slow: nothing breaks, but everything is late."""
    server, network = schedule.server, schedule.network
    return replace(
        schedule,
        server=replace(
            server,
            start_ms=draw(milliseconds(0.1, 3_000, benign=server.start_ms)),
            think_ms=draw(milliseconds(1, 3_000, benign=server.think_ms)),
            tool_ms=draw(milliseconds(0, 500, benign=server.tool_ms)),
            persist_ms=draw(milliseconds(0, 50, benign=server.persist_ms)),
            status_ms=draw(milliseconds(0, 200, benign=server.status_ms)),
            publish_ms=draw(milliseconds(0, 2_000, benign=server.publish_ms)),
            snapshot_ms=draw(milliseconds(0, 500, benign=server.snapshot_ms)),
            answer_run_ms=draw(milliseconds(0, 1_000, benign=server.answer_run_ms)),
            other_subscriber_ms=draw(milliseconds(0, 2_000, benign=server.other_subscriber_ms)),
        ),
        network=replace(
            network,
            rest=draw(_links(network.rest)),
            socket=draw(_links(network.socket)),
        ),
    )


@st.composite
def _links(draw: st.DrawFn, link: Link) -> Link:
    return replace(
        link,
        latency_ms=draw(milliseconds(0.1, 500, benign=link.latency_ms)),
        jitter_ms=draw(milliseconds(0, 200, benign=link.jitter_ms)),
    )


@st.composite
def size(draw: st.DrawFn, schedule: Schedule) -> Schedule:
    """Frames and answers are large, links narrow and buffers small, so that senders wait."""
    script, network = schedule.script, schedule.network
    event_kb = draw(_kilobytes(script.event_kb))
    return replace(
        schedule,
        script=replace(
            script,
            event_kb=event_kb,
            state_kb=draw(_kilobytes(script.state_kb)),
            # Only a tool's observation is large.
            tool_calls=max(script.tool_calls, 1 if event_kb else 0),
        ),
        network=replace(
            network,
            rest=draw(_narrow(network.rest)),
            socket=draw(_narrow(network.socket)),
        ),
    )


@st.composite
def _narrow(draw: st.DrawFn, link: Link) -> Link:
    return replace(
        link,
        kbit_s=draw(st.just(link.kbit_s) | st.sampled_from([100_000.0, 10_000.0, 2_000.0])),
        buffer_kb=draw(st.just(link.buffer_kb) | st.sampled_from([2_750, 200, 16])),
    )


def _kilobytes(benign: int) -> st.SearchStrategy[int]:
    """Draw a size, rarely more than the MiB beyond which a WebSocket client hangs up by default
    (websockets, `max_size`): what is large takes a trial's time."""
    rarely = st.sampled_from([0, 0, 1_100])
    return st.just(benign) | st.integers(0, 30) | st.integers(0, 300) | rarely


@st.composite
def socket(draw: st.DrawFn, schedule: Schedule) -> Schedule:
    """The WebSocket breaks once or twice during the run, perhaps each time in the same way a
    while later, and reconnecting may be hard."""
    network = schedule.network
    faults = [fault for each in draw(st.lists(_socket_faults(), max_size=2)) for fault in each]
    after = ConnectionLink(latency_ms=draw(milliseconds(0.1, 1_000, benign=0.5)))
    silent = any(fault.action == "half-open" for fault in faults)
    return replace(
        schedule,
        network=replace(
            network,
            faults=(*network.faults, *faults),
            connections=network.connections if after == ConnectionLink() else (after,),
        ),
        caller=replace(schedule.caller, settle_s=PATIENT_S) if silent else schedule.caller,
    )


@once
@st.composite
def _socket_faults(draw: st.DrawFn) -> tuple[Fault, ...]:
    """Draw a fault alone, or also one that comes back, as where a link flaps."""
    fault = draw(_socket_fault())
    later_ms = draw(milliseconds(0, 2_000, benign=0))
    if not later_ms:
        return (fault,)
    after_ms = round(fault.at.after_ms + later_ms, 1)
    return fault, replace(fault, at=replace(fault.at, after_ms=after_ms))


@once
@st.composite
def _socket_fault(draw: st.DrawFn) -> Fault:
    action = draw(st.sampled_from(["reset", "close", "stall", "half-open", "refuse", "reject"]))
    return Fault(
        action,  # type: ignore[arg-type]
        at=draw(during_run()),
        code=draw(st.sampled_from(CODES)) if action in ("close", "reject") else 1001,
        for_ms=draw(milliseconds(1, 4_000, benign=1_000)) if action in ("stall", "refuse") else 0,
    )


@st.composite
def rest(draw: st.DrawFn, schedule: Schedule) -> Schedule:
    """Some REST answers are late, are replaced by an error, are cut off, or never come."""
    faults = draw(st.lists(_rest_fault(), max_size=2))
    return replace(schedule, rest=(*schedule.rest, *faults))


@once
@st.composite
def _rest_fault(draw: st.DrawFn) -> RestFault:
    action = draw(st.sampled_from(["status", "delay", "truncate", "timeout"]))
    route = draw(st.sampled_from(["conversation", "events", "run"]))
    return RestFault(
        action,  # type: ignore[arg-type]
        route,  # type: ignore[arg-type]
        nth=draw(st.integers(1, 4)),
        times=draw(st.integers(1, 2)),
        delay_ms=draw(milliseconds(1, 4_000, benign=1_000)) if action == "delay" else 0.0,
        status=draw(st.sampled_from([503, 500, 502, 504, 429])) if action == "status" else 503,
        acted=draw(st.sampled_from([True, False])),
    )


@st.composite
def caller(draw: st.DrawFn, schedule: Schedule) -> Schedule:
    """The caller does more than one thing, or its callback is slow or raises."""
    had = schedule.caller
    acts = draw(st.lists(_acts(), max_size=2))
    callback_on, callback_raises = had.callback_on, had.callback_raises
    if draw(st.booleans()):
        callback_on = draw(st.sampled_from(["finish", "all"]))
        callback_raises = draw(st.booleans())
    return replace(
        schedule,
        caller=replace(
            had,
            runs=draw(st.just(had.runs) | st.integers(1, 3)),
            between_ms=draw(milliseconds(0, 500, benign=had.between_ms)),
            acts=(*had.acts, *acts),
            callback_ms=draw(milliseconds(0, 1_000, benign=had.callback_ms)),
            callback_on=callback_on,
            callback_raises=callback_raises,
        ),
    )


@once
@st.composite
def _acts(draw: st.DrawFn) -> Act:
    what = draw(st.sampled_from(["send-message", "pause", "run", "interrupt", "close"]))
    return Act(what, draw(during_run(500)))  # type: ignore[arg-type]


@st.composite
def script(draw: st.DrawFn, schedule: Schedule) -> Schedule:
    """The agent calls tools, fails, gets stuck, is paused, asks, is sent back by a stop hook."""
    had = schedule.script
    drawn = draw(st.just(had) | _scripts())
    return replace(
        schedule,
        script=replace(
            drawn,
            event_kb=had.event_kb,
            state_kb=had.state_kb,
            history=had.history,
            strange=had.strange,
        ),
    )


@once
@st.composite
def _scripts(draw: st.DrawFn) -> Script:
    first = draw(_turns())
    later = tuple(draw(st.lists(_turns(), max_size=2)))
    return Script(**asdict(first), later=later)


@once
@st.composite
def _turns(draw: st.DrawFn) -> Turn:
    return Turn(
        tool_calls=draw(st.integers(0, 3) | st.sampled_from([0, 60])),
        calls_each=draw(st.integers(1, 3)),
        failing_calls=draw(st.integers(0, 1)),
        outcome=draw(
            st.sampled_from(["finished", "error", "stuck", "paused", "waiting_for_confirmation"])
        ),
        says=draw(st.sampled_from(["finish-tool", "message"])),
        deltas=draw(st.integers(0, 3)),
        statistics=draw(st.booleans()),
        stop_hook_denials=draw(st.integers(0, 2)),
    )


@st.composite
def order(draw: st.DrawFn, schedule: Schedule) -> Schedule:
    """Frames of a final status overtake others, single acts are late, and events get equal
    timestamps."""
    had = schedule.server
    return replace(
        schedule,
        server=replace(
            had,
            publish_ms=draw(milliseconds(0, 500, benign=had.publish_ms)),
            status_overtakes=draw(st.just(had.status_overtakes) | st.integers(0, 3)),
            late=(*had.late, *draw(st.lists(_lates(), max_size=2))),
            clock_ms=draw(st.just(had.clock_ms) | st.sampled_from([0.0, 1.0, 15.6])),
        ),
    )


@once
@st.composite
def _lates(draw: st.DrawFn) -> Late:
    """Draw a late act. In a run of two or three answers this can be nearly any act."""
    return Late(
        draw(st.sampled_from(["publication", "append", "request", "answer"])),
        nth=draw(st.integers(1, 12)),
        for_ms=draw(milliseconds(1, 2_000, benign=100)),
    )


@st.composite
def interleaving(draw: st.DrawFn, schedule: Schedule) -> Schedule:
    """Threads switch at random, in one of three ways."""
    seed = draw(switches())
    if seed is None:
        return schedule
    return replace(
        schedule,
        interleaving=replace(
            schedule.interleaving,
            seed=seed,
            strategy=draw(st.sampled_from(["random-walk", "pct", "pos"])),
            at_lines=draw(st.sampled_from([False, True])),
        ),
    )


def _stalls(lines: Sequence[tuple[str, str]], schedule: Schedule) -> st.SearchStrategy[Schedule]:
    had = schedule.interleaving

    def added(stalls: tuple[LineStall, ...]) -> Schedule:
        return replace(schedule, interleaving=replace(had, stalls=(*had.stalls, *stalls)))

    return line_stalls(lines).map(added)


Family = Callable[[Schedule], st.SearchStrategy[Schedule]]

FAMILIES: dict[str, Family] = {
    "latency": latency,
    "size": size,
    "socket": socket,
    "rest": rest,
    "caller": caller,
    "script": script,
    "order": order,
    "between": between,
    "contents": contents,
    "process": process,
    "others": others,
    "interleaving": interleaving,
}
"""Every fault family by its name, except STALLS, which needs lines."""


def with_faults(
    schedules: st.SearchStrategy[Schedule],
    families: Sequence[str],
    lines: Sequence[tuple[str, str]] = (),
    instead: Mapping[str, Family] | None = None,
) -> st.SearchStrategy[Schedule]:
    """Add faults of some families to these schedules.

    `lines` are those of the client's source, as function and text, for the family `stalls`;
    `instead` replaces some families by others.

    Raises:
        UsageError: there is no such family; the message lists the known ones.
    """
    check(families)
    known = {**FAMILIES, **(instead or {})}
    for name in families:
        family = partial(_stalls, lines) if name == STALLS else known[name]
        schedules = schedules.flatmap(family)
    return schedules
