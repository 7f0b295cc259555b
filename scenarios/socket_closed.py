"""The server, or a load balancer before it, closes the socket in good order during the run.

"If the server closes the connection gracefully (e.g., during shutdown or load balancing), the WS
client dies silently", says a review of pull request #1832 under "Data Flow / Silent Failure",
with a `break` upon `ConnectionClosed` and no retry. Codes 1000 and 1001 say goodbye, 1011 to 1013
are what servers in trouble send (RFC 6455, section 7.4.1). A right client connects again, gives
the callbacks what they missed, and returns in time.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Fault, Schedule, Script, ServerTiming
from race_harness.search.strategies import during_run, milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    code = draw(st.sampled_from([1001, 1000, 1011, 1012, 1013]))
    return Schedule(
        scenario="socket-closed",
        script=Script(tool_calls=draw(st.integers(0, 3))),
        server=ServerTiming(think_ms=draw(milliseconds(50, 3_000, benign=200))),
        network=draw(networks(Fault("close", draw(during_run()), code=code))),
    )


SCENARIO = Scenario(
    name="socket-closed",
    summary="the socket is closed with 1000, 1001 or 1011 to 1013",
    schedules=schedules,
    fails=">=1.0",
)
