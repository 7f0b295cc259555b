"""The socket goes silent and neither end is told.

The reviews of pull request #1832 miss "WS health logging": a connection can look alive and be
dead, when a NAT table forgets it or a machine in between restarts. Only keep-alive tells: a ping
after 20 s, and 20 s without its pong. The run is long over by then. A right client does not need
the socket to know that, returns in time by what REST says, and gives the callbacks what they
missed when the dead connection has been noticed.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Caller, Fault, Schedule, Script, ServerTiming
from race_harness.search.strategies import PATIENT_S, during_run, milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="half-open",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(think_ms=draw(milliseconds(50, 3_000, benign=200))),
        network=draw(networks(Fault("half-open", draw(during_run(500))))),
        caller=Caller(settle_s=PATIENT_S),
    )


SCENARIO = Scenario(
    name="half-open",
    summary="the socket goes silent until keep-alive notices",
    schedules=schedules,
    fails=">=1.0",
)
