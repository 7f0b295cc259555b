"""A gateway gives a request up that the server is still at, and the server goes on with it.

Reverse proxies wait for so long and no longer, 60 s by default in nginx (`proxy_read_timeout`),
and then answer 504 whatever the server does (RFC 9110, section 15.6.5). `POST /run` is slow where
the event loop is busy, and up to release 1.6 it is the whole run. A right client does not take
that answer for the server's: it looks whether the run has begun.

Of 20 schedules each, run() of 1.10.0, 1.43.0 and 1.58.2 raises on 19, which the 504 explains.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Gateway, Network, Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    answer_s = draw(st.integers(5, 20)) / 10
    return Schedule(
        scenario="gateway-gives-up",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(
            answer_run_ms=draw(milliseconds(0, 4_000, benign=3_000)),
            think_ms=draw(milliseconds(200, 2_000, benign=1_000)),
        ),
        network=Network(gateway=Gateway(answer_s=answer_s)),
    )


SCENARIO = Scenario(
    name="gateway-gives-up",
    summary="a gateway answers 504 to what the server is still at",
    schedules=schedules,
)
