"""The run ends in `error` or `stuck`, and the socket says so.

Pull request #1832 keeps polling "as a health check for ERROR/STUCK states that need immediate
attention" and takes them off the socket too. The status comes before the event that gives the
reason. A right client raises, soon, whichever of the two it hears first; returning as if all were
well is the mirror of raising for nothing.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="failed-by-frame",
        script=Script(
            tool_calls=draw(st.integers(0, 2)),
            outcome=draw(st.sampled_from(["error", "stuck"])),
        ),
        server=ServerTiming(
            start_ms=draw(milliseconds(0.1, 100, benign=0.4)),
            think_ms=draw(milliseconds(50, 3_000, benign=200)),
        ),
        network=draw(networks()),
    )


SCENARIO = Scenario(
    name="failed-by-frame",
    summary="the run ends in error or stuck, told by frame",
    schedules=schedules,
    fails="<1.11.1",
)
