"""Faults of the network for the user's own tests, at moments that exist for every server.

Nobody knows what a test does before it runs, so moments are counted: the third request, the fifth
frame. Most faults strike the connection on which the moment happens.
"""

from dataclasses import replace

from hypothesis import strategies as st

from race_harness.model.schedule import ConnectionLink, Fault, Moment, Schedule
from race_harness.search.fault_strategies import Family
from race_harness.search.strategies import CODES, milliseconds, once

_REQUESTS = ["request-sent", "request-received", "request-answered"]
_FRAMES = ["frame-up", "frame-down"]
_OPENED = ["connection-opened"]
_FURTHEST = 8
"""The highest number of a moment that is drawn."""


@once
@st.composite
def _fault(draw: st.DrawFn, moments: tuple[str, ...]) -> Fault:
    what = draw(st.sampled_from(moments))
    at = Moment(
        what,  # type: ignore[arg-type]
        nth=draw(st.integers(1, _FURTHEST)),
        after_ms=draw(st.just(0.0) | milliseconds(0, 200, benign=0)),
    )
    action = draw(st.sampled_from(["reset", "close", "stall", "half-open", "refuse"]))
    frames = what in _FRAMES
    return Fault(
        action,  # type: ignore[arg-type]
        at=at,
        # `refuse` is about connections that are still to come.
        link="socket" if frames else draw(st.sampled_from(["rest", "socket", "raw"])),
        code=draw(st.sampled_from(CODES)) if action == "close" and frames else 1001,
        for_ms=draw(milliseconds(1, 4_000, benign=1_000)) if action in ("stall", "refuse") else 0,
        there=action != "refuse",
    )


@st.composite
def connections_break(draw: st.DrawFn, schedule: Schedule) -> Schedule:
    """Connections of any kind break once or twice, and the next WebSocket may take longer."""
    network = schedule.network
    faults = draw(st.lists(_fault((*_REQUESTS, *_FRAMES, *_OPENED)), min_size=1, max_size=2))
    after = ConnectionLink(latency_ms=draw(milliseconds(0.1, 1_000, benign=0.5)))
    return replace(
        schedule,
        network=replace(
            network,
            faults=(*network.faults, *faults),
            connections=network.connections if after == ConnectionLink() else (after,),
        ),
    )


@st.composite
def requests_fail(draw: st.DrawFn, schedule: Schedule) -> Schedule:
    """The connections of one or two HTTP requests break: before the request, on its way, or at the
    answer."""
    network = schedule.network
    faults = draw(st.lists(_fault(tuple(_REQUESTS)), min_size=1, max_size=2))
    return replace(schedule, network=replace(network, faults=(*network.faults, *faults)))


OF_TESTS: dict[str, Family] = {"socket": connections_break, "rest": requests_fail}
"""Replaces two families for the user's own tests, in which no run and no route is known."""
