"""A gateway takes no more connections when the socket has to come back.

A reverse proxy allows so many at once (nginx, `limit_conn` and `worker_connections`), and others'
are among them. Those beyond get 503 or a reset. A right client needs no socket to know the end of
its run, and reads over the connections that it has.

Of 20 schedules each, 15 lose events on 1.10.0. On 1.43.0 15 miss callbacks, on 1.58.2 13, and
run() returns some 30 s after the end on 15 of both.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Fault, Gateway, Network, Schedule, Script, ServerTiming
from race_harness.search.strategies import during_run, milliseconds


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="gateway-full",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(think_ms=draw(milliseconds(200, 2_000, benign=1_000))),
        network=Network(
            faults=(Fault("reset", draw(during_run(500))),),
            gateway=Gateway(
                connections=draw(st.integers(1, 2)),
                beyond=draw(st.sampled_from(["503", "reset"])),
            ),
        ),
    )


SCENARIO = Scenario(
    name="gateway-full",
    summary="a gateway takes no more connections when the socket comes back",
    schedules=schedules,
    fails=">=1.0",
)
