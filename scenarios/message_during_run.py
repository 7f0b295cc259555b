"""A message is sent while the run is going on.

What the reviews of pull request #1832 call a stale status is also one that is taken back: a
message that arrives while the agent works, or between its `finished` and the end of the run's
loop, lets the run go on. `finished` was there for all to see. A right client returns when the run
has ended in truth, with everything visible that it brought.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Act, Caller, Schedule, Script, ServerTiming
from race_harness.search.strategies import during_run, milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="message-during-run",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(think_ms=draw(milliseconds(50, 2_000, benign=500))),
        network=draw(networks()),
        caller=Caller(acts=(Act("send-message", draw(during_run(500))),)),
    )


SCENARIO = Scenario(
    name="message-during-run",
    summary="another thread sends a message during run()",
    schedules=schedules,
    fails="<1.25",
)
