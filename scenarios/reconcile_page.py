"""The second page of the missing events fails.

"Return partial results rather than failing completely" is the comment that reconciling got in
pull request #1832. From a hundred events on there is a second page, and an error on it leaves the
client with the first: the newest events are the ones that are missing. A right client asks again
for that page.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Fault, Moment, RestFault, Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="reconcile-page",
        script=Script(tool_calls=draw(st.integers(52, 60))),
        server=ServerTiming(think_ms=draw(milliseconds(1, 20, benign=5))),
        # With its socket lost, the client has to fetch the events.
        network=draw(networks(Fault("reset", Moment("run-started")))),
        rest=(
            RestFault(
                draw(st.sampled_from(["status", "truncate", "delay"])),
                "events",
                nth=2,
                times=draw(st.integers(1, 2)),
                delay_ms=1_000.0,
            ),
        ),
    )


SCENARIO = Scenario(
    name="reconcile-page",
    summary="the second page of events fails",
    schedules=schedules,
    fails=">=1.0",
)
