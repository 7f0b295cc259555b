"""`run(blocking=False)` only starts the run.

Pull request #1832 is about the blocking call; the other one leaves the waiting to the caller. Its
events come all the same, and nothing that is left in a queue by them may end the next run. Two
runs are started so, the second long after the first. A right client shows every event in time,
gives each once to the callback, and raises nothing.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Caller, Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="non-blocking-run",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(think_ms=draw(milliseconds(50, 1_500, benign=200))),
        network=draw(networks()),
        caller=Caller(runs=2, between_ms=10_000.0, blocking=False),
    )


SCENARIO = Scenario(
    name="non-blocking-run",
    summary="run(blocking=False), twice",
    schedules=schedules,
    fails=">=1.7,<1.10",
)
