"""The fault families of the larger world: what is between client and server, contents, the
server's process, and other actors.

`fault_strategies` has the other families, and says what a family is.
"""

from dataclasses import replace
from typing import Literal

from hypothesis import strategies as st

from race_harness.model.schedule import (
    Fault,
    Gateway,
    Moment,
    OtherAct,
    ProcessEvent,
    Schedule,
    Watcher,
)
from race_harness.search.strategies import (
    PATIENT_S,
    clock_steps,
    during_run,
    full_disks,
    milliseconds,
    once,
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
