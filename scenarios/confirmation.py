"""The agent waits for a confirmation, and the next `run()` gives it.

`waiting_for_confirmation` ends a run and is terminal in no list of pull request #1832: the run is
over, its snapshot comes, and nothing is finished. A right client returns. Called again it lets
the agent do what it had asked for, and returns when that is done.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Caller, Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="confirmation",
        script=Script(tool_calls=draw(st.integers(0, 2)), outcome="waiting_for_confirmation"),
        server=ServerTiming(think_ms=draw(milliseconds(100, 2_000, benign=500))),
        network=draw(networks()),
        caller=Caller(runs=2, between_ms=1_000.0),
    )


SCENARIO = Scenario(
    name="confirmation",
    summary="a run ends with an action that waits to be confirmed",
    schedules=schedules,
    fails="<1.25",
)
