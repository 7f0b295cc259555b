"""The wall clock of the server's machine is set, mostly back, so that later events seem earlier.

An NTP client does that when the clock is off by too much (RFC 5905, STEPT; chrony, `makestep`),
as does a virtual machine when it is resumed. The log keeps the order of appends, and no timer
notices, but whatever comes later is stamped by another clock. A client that orders events by their
timestamps, or asks for those since the last one that it has, shows another order than they came
about in, or loses some. A right one goes by the order of the log.

Of 20 schedules each, 9 show another order on 1.9.0, 1.10.0, 1.16.1, 1.24.0, 1.43.0 and 1.58.2,
whose `state.events` is kept sorted by timestamp (upstream's pull request #1737). On 1.0.0, 1.6.0,
1.7.2, 1.7.4 and 1.8.0 none does, and 4 or 5 are late, as they are without a step of the clock.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule, Script, ServerTiming
from race_harness.search.strategies import clock_steps, milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="clock-stepped",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(
            think_ms=draw(milliseconds(50, 2_000, benign=200)),
            process=(draw(clock_steps()),),
        ),
        network=draw(networks()),
    )


SCENARIO = Scenario(
    name="clock-stepped",
    summary="the server's clock is set while a run is going on",
    schedules=schedules,
    fails=">=1.0",
)
