"""Hypothesis strategies: for single fields, and for whole families of faults.

A *family* takes a schedule and varies one side of it. Families combine: none touches what another
varies, and everything shrinks to what the schedule had before, so that what is left of a shrunk
schedule is the explanation. They draw only what a real server or network can do.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import lru_cache, partial
from typing import Literal

from hypothesis import strategies as st

from race_harness.model.schedule import (
    Act,
    ConnectionLink,
    Fault,
    Gateway,
    Late,
    LineStall,
    Link,
    Moment,
    Network,
    OtherAct,
    ProcessEvent,
    RestFault,
    Schedule,
    Script,
    Turn,
    Watcher,
)
from race_harness.search.families import STALLS, check

once = lru_cache(maxsize=1_000, typed=True)
"""Makes a strategy once for each set of arguments: Hypothesis examines each new one at length.
0 and 0.0 are kept apart, since they are written differently."""

PATIENT_S = 90.0
"""The settle time if only keep-alive (20 s and 20 s, RFC 6455 section 5.5.2) can notice a
fault."""


@once
def milliseconds(low: float, high: float, *, benign: float) -> st.SearchStrategy[float]:
    """Draw virtual milliseconds in tenths: coarse enough to read, fine enough to reorder anything.

    They shrink to `benign`, the field's default, or at least towards it, so that a shrunk schedule
    differs from a benign one in as few fields as possible.
    """
    start, low_tenths, high_tenths = (round(value * 10) for value in (benign, low, high))
    offsets = st.integers(low_tenths - start, high_tenths - start)
    # Benign is a separate choice, because dropping one field is simpler than lowering all.
    return st.just(benign) | offsets.map(lambda offset: (start + offset) / 10)


@once
def switches() -> st.SearchStrategy[int | None]:
    """Draw a seed for random thread switches, or none."""
    return st.none() | st.integers(0, 2**32 - 1)


def line_stalls(lines: Sequence[tuple[str, str]]) -> st.SearchStrategy[tuple[LineStall, ...]]:
    """Draw up to three stalls at these lines (function, text), of at most 5 virtual seconds.

    They have three scales: some milliseconds reorder what happens in the machine, some hundred
    what the network brings, seconds whole polls. They shrink to short ones, then to none.
    """
    if not lines:
        return st.just(())
    tenths = st.integers(1, 100) | st.integers(1, 5_000) | st.integers(1, 50_000)
    stall = st.builds(
        lambda line, nth, tenths: LineStall(line[0], line[1], nth, tenths / 10),
        st.sampled_from(lines),
        st.integers(1, 3),
        tenths,
    )
    return st.lists(stall, max_size=3).map(tuple)


def networks(
    *faults: Fault, connections: tuple[ConnectionLink, ...] = ()
) -> st.SearchStrategy[Network]:
    """Draw healthy links, with a latency of at most 50 ms, and these faults."""
    return _networks(*faults, connections=connections) if faults or connections else _CALM


@st.composite
def _networks(
    draw: st.DrawFn, *faults: Fault, connections: tuple[ConnectionLink, ...] = ()
) -> Network:
    latency = milliseconds(0.1, 50, benign=0.5)
    return Network(Link(draw(latency)), Link(draw(latency)), connections, faults)


_CALM = _networks()


_MOMENTS = st.sampled_from(
    [
        "run-called",
        "run-requested",
        "run-answered",
        "run-started",
        "persisted",
        "frame-sent",
        "run-ended",
        "run-cleared",
        "snapshot-sent",
    ]
)


@once
@st.composite
def during_run(draw: st.DrawFn, longest_ms: float = 2_000) -> Moment:
    """Draw a moment between the call of `run()` and a while after the end of the server's run."""
    what = draw(_MOMENTS)
    several = what in ("persisted", "frame-sent")
    return Moment(
        what,  # type: ignore[arg-type]
        nth=draw(st.integers(1, 6)) if several else 1,
        after_ms=draw(milliseconds(0, longest_ms, benign=0)),
        since="run-called" if several else "start",
    )


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
    """Draw a size, sometimes more than the MiB beyond which a WebSocket client hangs up by default
    (websockets, `max_size`)."""
    return st.just(benign) | st.integers(0, 300) | st.sampled_from([0, 1_100])


@st.composite
def socket(draw: st.DrawFn, schedule: Schedule) -> Schedule:
    """The WebSocket breaks once or twice during the run, and reconnecting may be hard."""
    network = schedule.network
    faults = draw(st.lists(_socket_fault(), max_size=2))
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
def _socket_fault(draw: st.DrawFn) -> Fault:
    action = draw(st.sampled_from(["reset", "close", "stall", "half-open", "refuse", "reject"]))
    return Fault(
        action,  # type: ignore[arg-type]
        at=draw(during_run()),
        code=draw(st.sampled_from(CODES)) if action in ("close", "reject") else 1001,
        for_ms=draw(milliseconds(1, 4_000, benign=1_000)) if action in ("stall", "refuse") else 0,
    )


CODES = [1001, 1000, 1011, 1012, 1013, 4001, 4004]
"""RFC 6455 section 7.4.1 and the IANA registry; 4001 and 4004 are the agent server's own."""


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
    return replace(
        schedule,
        caller=replace(
            had,
            runs=draw(st.just(had.runs) | st.integers(1, 3)),
            between_ms=draw(milliseconds(0, 500, benign=had.between_ms)),
            acts=(*had.acts, *acts),
            callback_ms=draw(milliseconds(0, 1_000, benign=had.callback_ms)),
            callback_on=draw(st.just(had.callback_on) | st.sampled_from(["finish", "all"])),
            callback_raises=draw(st.just(had.callback_raises) | st.booleans()),
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
def between(draw: st.DrawFn, schedule: Schedule) -> Schedule:
    """A gateway has limits, a link fails in one direction, another subscriber is served first."""
    network, server = schedule.network, schedule.server
    faults = draw(st.lists(_one_way(), max_size=1))
    first = draw(st.just(server.other_subscriber_first) | st.booleans())
    silent = any(fault.action == "half-open" for fault in faults)
    return replace(
        schedule,
        network=replace(
            network,
            faults=(*network.faults, *faults),
            gateway=draw(st.just(network.gateway) | _gateways()),
        ),
        server=replace(
            server,
            other_subscriber_first=first,
            other_subscriber_ms=(
                draw(milliseconds(1, 1_000, benign=100)) if first else server.other_subscriber_ms
            ),
        ),
        caller=replace(schedule.caller, settle_s=PATIENT_S) if silent else schedule.caller,
    )


_STRANGE: tuple[Literal["nothing", "kind", "field"], ...] = ("nothing", "kind", "field")


@st.composite
def contents(draw: st.DrawFn, schedule: Schedule) -> Schedule:
    """The log has events of a newer server or a long history, or a frame is no event."""
    script, network = schedule.script, schedule.network
    interjections = draw(st.lists(during_run(500), max_size=1))
    strange = draw(st.just(script.strange) | st.sampled_from(_STRANGE))
    return replace(
        schedule,
        script=replace(
            script,
            history=draw(st.just(script.history) | st.sampled_from([0, 99, 100, 250, 2_000])),
            strange=strange,
            # Only an observation has more fields.
            tool_calls=max(script.tool_calls, 1 if strange == "field" else 0),
        ),
        network=replace(
            network,
            faults=(*network.faults, *(Fault("interject", moment) for moment in interjections)),
        ),
    )


@st.composite
def process(draw: st.DrawFn, schedule: Schedule) -> Schedule:
    """The server's process stands still, or dies and is started again, once or twice; or the clock
    of its machine is set, or the disk is full."""
    had = schedule.server
    events = draw(st.lists(_process_events(), max_size=2))
    if any(event.what == "crash" for event in (*had.process, *events)):
        # What a server does that finds files empty when it is started again, no fake knows.
        events = [event for event in events if event.what != "disk-full"]
    return replace(schedule, server=replace(had, process=(*had.process, *events)))


@st.composite
def others(draw: st.DrawFn, schedule: Schedule) -> Schedule:
    """Somebody else runs, pauses, sends messages, confirms and rejects in the conversation."""
    acts = draw(st.lists(_of_others(), max_size=3))
    waits = any(act.what in ("confirm", "reject") for act in acts)
    script = schedule.script
    if waits and draw(st.booleans()):
        script = replace(script, outcome="waiting_for_confirmation")
    watchers = draw(st.lists(_watchers(), max_size=1))
    return replace(
        schedule,
        script=script,
        others=(*schedule.others, *acts),
        watchers=(*schedule.watchers, *watchers),
    )


@once
def _watchers() -> st.SearchStrategy[Watcher]:
    return st.builds(Watcher, during_run(500))


@once
@st.composite
def _process_events(draw: st.DrawFn) -> ProcessEvent:
    """From a moment to longer than keep-alive waits, and a client for an answer. A clock is set
    by less than lies between two events, up to an hour."""
    what = draw(st.sampled_from(["freeze", "crash", "clock-step", "disk-full"]))
    if what == "clock-step":
        return draw(clock_steps())
    if what == "disk-full":
        return draw(full_disks())
    longest_ms = 60_000 if what == "freeze" else 20_000
    for_ms = milliseconds(1, 5_000, benign=1_000) | milliseconds(1, longest_ms, benign=1_000)
    clocks = ["goes-on", "goes-on", "stands"] if what == "freeze" else ["goes-on"]
    return ProcessEvent(
        *(what, draw(during_run()), draw(for_ms)),  # type: ignore[arg-type]
        clock=draw(st.sampled_from(clocks)),
    )


@once
@st.composite
def full_disks(draw: st.DrawFn) -> ProcessEvent:
    """For less than a step of the agent to longer than a client asks again."""
    for_ms = milliseconds(1, 5_000, benign=1_000) | milliseconds(1, 60_000, benign=1_000)
    return ProcessEvent("disk-full", draw(during_run(500)), draw(for_ms))


@once
@st.composite
def clock_steps(draw: st.DrawFn) -> ProcessEvent:
    by_ms = milliseconds(1, 1_000, benign=1_000) | milliseconds(1, 3_600_000, benign=1_000)
    sign = draw(st.sampled_from([-1, -1, 1]))
    return ProcessEvent("clock-step", draw(during_run(500)), by_ms=sign * draw(by_ms))


@once
@st.composite
def _of_others(draw: st.DrawFn) -> OtherAct:
    what = draw(
        st.sampled_from(["message", "run", "message-and-run", "pause", "confirm", "reject"])
    )
    before_and_after = st.builds(
        lambda what, after_ms: Moment(what, after_ms=after_ms),
        st.sampled_from(["subscribed", "run-returned"]),
        milliseconds(0, 1_000, benign=0),
    )
    return OtherAct(
        what,  # type: ignore[arg-type]
        draw(during_run(500) | before_and_after),
    )


@once
@st.composite
def _gateways(draw: st.DrawFn) -> Gateway:
    """Draw limits from seconds, which strike during a run, to the usual minute."""
    tenths = st.integers(5, 50) | st.integers(5, 650)
    seconds = st.none() | tenths.map(lambda tenths: tenths / 10)
    connections = draw(st.none() | st.integers(2, 6))
    return Gateway(
        answer_s=draw(seconds),
        idle_s=draw(seconds),
        connections=connections,
        beyond="503" if connections is None else draw(st.sampled_from(["503", "reset"])),
    )


@once
@st.composite
def _one_way(draw: st.DrawFn) -> Fault:
    action = draw(st.sampled_from(["stall", "half-open"]))
    return Fault(
        action,  # type: ignore[arg-type]
        at=draw(during_run()),
        # A half-open REST connection would be the same as an answer that never comes.
        link="socket" if action == "half-open" else draw(st.sampled_from(["socket", "rest"])),
        for_ms=draw(milliseconds(1, 4_000, benign=1_000)) if action == "stall" else 0,
        way=draw(st.sampled_from(["down", "up"])),
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
