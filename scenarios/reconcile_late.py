"""Fetching the missing events takes seconds.

Pull request #1832 went from fetching all events to fetching recent ones because the former is
expensive for long conversations. Answers that take seconds are what that fear comes to. Whatever
is fetched late must still be there when `run()` returns, and a right client neither gives up on
it nor returns before it.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Fault, Moment, RestFault, Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="reconcile-late",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(think_ms=draw(milliseconds(100, 1_500, benign=200))),
        # With its socket lost, the client has to fetch the events.
        network=draw(networks(Fault("reset", Moment("run-started")))),
        rest=(
            RestFault(
                "delay",
                "events",
                times=draw(st.integers(1, 3)),
                delay_ms=draw(milliseconds(100, 8_000, benign=1_000)),
                acted=draw(st.booleans()),
            ),
        ),
    )


SCENARIO = Scenario(
    name="reconcile-late",
    summary="the events take seconds to be fetched",
    schedules=schedules,
    fails="<1.56",
)
