"""The limit of steps ends the run, not the agent.

A caller may say how many steps a run takes at most (`max_iteration_per_run`). From 1.7.2 the
server then ends the run with `error` and an event that says why (`run` in local_conversation.py);
before, the agent only stopped. A right client tells such an end as it tells any other failed run,
with every event in its log.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Caller, Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    steps = draw(st.integers(1, 3))
    return Schedule(
        scenario="step-limit",
        script=Script(tool_calls=steps + draw(st.integers(0, 2))),
        server=ServerTiming(publish_ms=draw(milliseconds(0.5, 50, benign=0.5))),
        network=draw(networks()),
        caller=Caller(max_iterations=steps),
    )


SCENARIO = Scenario(
    name="step-limit",
    summary="the limit of steps ends the run in error",
    schedules=schedules,
    fails="<1.10",
)
