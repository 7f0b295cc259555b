"""The user's callback raises.

The test of pull request #1832 shows that public callbacks run before the client's own, on the
socket's thread. One that fails there can take with it the adding of the event to `state.events`,
the status that ends the run, or the thread. A right client keeps its own house: the exception is
logged, and nothing is missing.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Caller, Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="raising-callback",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(think_ms=draw(milliseconds(50, 1_500, benign=200))),
        network=draw(networks()),
        caller=Caller(callback_raises=True, callback_on=draw(st.sampled_from(["finish", "all"]))),
    )


SCENARIO = Scenario(
    name="raising-callback",
    summary="the user's callback raises",
    schedules=schedules,
    fails=">=1.0",
)
