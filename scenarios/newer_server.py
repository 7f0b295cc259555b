"""The server sends an event of a kind, or with a field, that this client does not know; or a
gateway sends a frame that is not JSON.

Server and client are not upgraded together. A server of 1.23 sends `InterruptEvent`, which no
older client knows, and the models of events forbid unknown fields (event/base.py, `Event`). A
gateway that speaks WebSocket itself may send text of its own (RFC 6455, section 5.6). A right
client skips what it cannot read, and treats everything else as usual.

Real servers do the same: every event has a `parent_id` from 1.31.0 on. Beside the real server of
1.58.2, over real sockets, 1.25.0 loses six events of a benign run, and `run()` raises.

Of 30 schedules each, 17 have an unknown kind, 8 an unknown field, and 5 a frame that is not JSON.
Every release loses observations with an unknown field. From 1.25.0 on, `run()` also raises a
ValidationError in all of the 17 and the 8, although the run goes well. A frame that is not JSON
disturbs no release. What else fails up to 1.10.0, in one to six, is late as in `final-events`.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Fault, Schedule, Script, ServerTiming
from race_harness.search.strategies import during_run, milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    strange = draw(st.sampled_from(["kind", "field", "nothing"]))
    calls = draw(st.integers(1 if strange == "field" else 0, 2))
    frames = [Fault("interject", draw(during_run(500)))] if strange == "nothing" else []
    return Schedule(
        scenario="newer-server",
        script=Script(tool_calls=calls, strange=strange),  # type: ignore[arg-type]
        server=ServerTiming(think_ms=draw(milliseconds(50, 2_000, benign=200))),
        network=draw(networks(*frames)),
    )


SCENARIO = Scenario(
    name="newer-server",
    summary="the server sends what this client does not know",
    schedules=schedules,
    fails=">=1.0",
)
