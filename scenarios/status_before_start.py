"""A terminal status arrives after the queue was drained and before the server begins the run.

This is the sequence that a review of pull request #1832 spells out under "Race Condition / Queue
Draining": drained, then a late terminal status of the run before, then `POST /run`. The server
takes its time to start the second run, and REST goes on telling how the first one ended. Neither
the frame nor the polls are about the second run. A right client waits until it has begun.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Caller, Fault, Moment, Schedule, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    # Polls alone end the first run; what the socket says of it comes when the stall is over.
    stalled = draw(milliseconds(3_500, 6_000, benign=4_500))
    held = Fault("stall", Moment("run-started", after_ms=10.0), for_ms=stalled)
    return Schedule(
        scenario="status-before-start",
        server=ServerTiming(start_ms=draw(milliseconds(500, 4_000, benign=2_000))),
        network=draw(networks(held)),
        caller=Caller(runs=2, between_ms=draw(milliseconds(0, 500, benign=0))),
    )


SCENARIO = Scenario(
    name="status-before-start",
    summary="a stale terminal status arrives before the server begins the run",
    schedules=schedules,
    fails="<1.25",
)
