"""`POST /run` is answered 409, since a run is going on already.

A review of pull request #1832 leaves it to the handling of 409 that a stale status cannot end a
new run. Here a second thread of the same program calls `run()` while the first one waits. The
server refuses the second request, and the client is to wait for the run that is going on: neither
call may raise, nor return before that run has ended and all of its events are visible.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Act, Caller, Moment, Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    again = Moment("run-started", after_ms=draw(milliseconds(0, 1_000, benign=100)))
    return Schedule(
        scenario="run-conflict",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(think_ms=draw(milliseconds(300, 3_000, benign=1_500))),
        network=draw(networks()),
        caller=Caller(acts=(Act("run", again),)),
    )


SCENARIO = Scenario(
    name="run-conflict",
    summary="a second run() while one is going on is refused with 409",
    schedules=schedules,
    fails="<1.11.1 || >=1.25",
)
