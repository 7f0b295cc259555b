"""Another thread pauses the conversation while `run()` waits.

`paused` is neither terminal nor running, and so is in no list that pull request #1832 argues
about. It takes effect when the agent comes to its next step, and the server sends a snapshot of
its own for it. A right client returns when it hears of it, however it does, and raises nothing.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Act, Caller, Schedule, Script, ServerTiming
from race_harness.search.strategies import during_run, milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="pause-during-run",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(think_ms=draw(milliseconds(50, 2_000, benign=500))),
        network=draw(networks()),
        caller=Caller(acts=(Act("pause", draw(during_run(500))),)),
    )


SCENARIO = Scenario(
    name="pause-during-run",
    summary="another thread pauses during run()",
    schedules=schedules,
    fails="<1.25",
)
