"""The socket comes back in the middle of the run, and events fell into the gap.

"If WebSocket disconnected and reconnected during the run, events could be lost. The code doesn't
verify WebSocket health before trusting this path", says the first review of pull request #1832.
The server resends nothing that it is not asked for, so what is published while nobody is
subscribed is to be had over REST alone. The new connection may be slow, and be refused at first.
A right client fetches the gap before it trusts a terminal status of the new connection.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import (
    ConnectionLink,
    Fault,
    Moment,
    Schedule,
    Script,
    ServerTiming,
)
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    # The third event of the run is its first observation.
    lost = Moment("persisted", nth=draw(st.integers(2, 6)), since="run-called")
    away = Fault("refuse", lost, for_ms=draw(milliseconds(0, 2_500, benign=0)))
    slow = ConnectionLink(draw(milliseconds(0.5, 400, benign=0.5)))
    return Schedule(
        scenario="reconnect-gap",
        script=Script(tool_calls=draw(st.integers(2, 5))),
        server=ServerTiming(think_ms=draw(milliseconds(300, 2_000, benign=1_000))),
        network=draw(networks(Fault("reset", lost), away, connections=(slow,))),
    )


SCENARIO = Scenario(
    name="reconnect-gap",
    summary="the socket reconnects in the middle of the run",
    schedules=schedules,
    fails=">=1.0",
)
