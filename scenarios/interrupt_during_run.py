"""Another thread interrupts the agent while `run()` waits.

From 1.23 on the server can cancel what the agent is doing; it then notes the calls that were cut
off, assigns `paused` and publishes two snapshots, its own and the run's. The client asks for that
from 1.24 on; in 1.23 its `interrupt()` only pauses, and before it has none: a trial that comes to
it is void. Where pull request #1832 waits for one terminal frame, this is two that are not
terminal. A right client returns, with all events visible.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Act, Caller, Schedule, Script, ServerTiming
from race_harness.search.strategies import during_run, milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="interrupt-during-run",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(think_ms=draw(milliseconds(50, 2_000, benign=500))),
        network=draw(networks()),
        caller=Caller(acts=(Act("interrupt", draw(during_run(500))),)),
    )


SCENARIO = Scenario(
    name="interrupt-during-run",
    summary="another thread interrupts during run()",
    schedules=schedules,
    fails=">=1.23,<1.25",
)
