"""The terminal status of the run before is still waiting when `run()` is called again.

The version of pull request #1832 with a queue drains it at the begin of `run()`; the one before
had a counter to tell runs apart. Where the first run was ended by polls, its frames may come
after it, between two calls of `run()`, and lie in the queue. A client that does not drain it
returns from the second run at once. A right client takes nothing from before its call for the end
of its run.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Caller, Fault, Moment, Schedule, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    # Polls alone end the first run; what the socket says of it comes when the stall is over.
    stalled = draw(milliseconds(3_500, 6_000, benign=4_000))
    held = Fault("stall", Moment("run-started", after_ms=10.0), for_ms=stalled)
    return Schedule(
        scenario="stale-status",
        server=ServerTiming(think_ms=draw(milliseconds(100, 500, benign=200))),
        network=draw(networks(held)),
        caller=Caller(runs=2, between_ms=8_000.0),
    )


SCENARIO = Scenario(
    name="stale-status",
    summary="the first run's terminal status arrives between two runs",
    schedules=schedules,
    fails="<1.11.1",
)
