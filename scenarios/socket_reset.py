"""The socket is lost without a goodbye during the run.

"WS Reconnection Gap: If WS disconnects and reconnects during a run, events during the gap are
lost", says a review of pull request #1832. A TCP reset shows as close code 1006, which no peer
ever sends (RFC 6455, section 7.1.5). It may come at any moment between the call of `run()` and
the snapshot after it. A right client connects again, gives the callbacks what they missed, and
returns in time.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Fault, Schedule, Script, ServerTiming
from race_harness.search.strategies import during_run, milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="socket-reset",
        script=Script(tool_calls=draw(st.integers(0, 3))),
        server=ServerTiming(think_ms=draw(milliseconds(50, 3_000, benign=200))),
        network=draw(networks(Fault("reset", draw(during_run())))),
    )


SCENARIO = Scenario(
    name="socket-reset",
    summary="the socket is reset at any moment of the run",
    schedules=schedules,
    fails="<1.56",
)
