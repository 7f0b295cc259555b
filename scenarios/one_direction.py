"""Frames stop coming for a while, or for good, though what the client sends arrives.

Packets may take another route there than back, and a firewall that has forgotten a connection may
drop those of one direction. TCP sends them again until they arrive (RFC 9293, section 3.8.1), so
frames are late together, or keep-alive ends the connection in the end. A right client does not
need the socket to return in time with all events.

Of 20 schedules each, 11 fail on 1.10.0 (late 10, lost 1), one on 1.43.0 (a callback that is
missed, and 31 s until run() returns) and one on 1.58.2 (31 s).
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Caller, Fault, Schedule, Script, ServerTiming
from race_harness.search.strategies import PATIENT_S, during_run, milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    action = draw(st.sampled_from(["stall", "half-open"]))
    lost = Fault(
        action,  # type: ignore[arg-type]
        draw(during_run(500)),
        for_ms=draw(milliseconds(100, 4_000, benign=1_000)) if action == "stall" else 0.0,
        way="down",
    )
    return Schedule(
        scenario="one-direction",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(think_ms=draw(milliseconds(50, 2_000, benign=200))),
        network=draw(networks(lost)),
        caller=Caller(settle_s=PATIENT_S),
    )


SCENARIO = Scenario(
    name="one-direction",
    summary="frames stop coming, though what the client sends arrives",
    schedules=schedules,
    fails=">=1.0",
)
