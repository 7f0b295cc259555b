"""A gateway closes connections on which nothing has passed for a while, sockets too.

Load balancers have idle timeouts, often of 60 s, and nginx `proxy_read_timeout` and
`keepalive_timeout`; a WebSocket ends without any frame then. While the agent thinks nothing
passes. A right client connects again, reads what it has missed, and asks again where its request
met a connection that was closed (RFC 9112, section 9.3.1).

Of 20 schedules each, 18 lose events on 1.10.0, 13 miss callbacks on 1.43.0, and none fails on
1.58.2.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Gateway, Network, Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="gateway-idle",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(think_ms=draw(milliseconds(1_000, 6_000, benign=3_000))),
        network=Network(gateway=Gateway(idle_s=draw(st.integers(5, 40)) / 10)),
    )


SCENARIO = Scenario(
    name="gateway-idle",
    summary="a gateway closes what has been idle, sockets too",
    schedules=schedules,
    fails="<1.56",
)
