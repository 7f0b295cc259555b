"""The run ends in `error` or `stuck`, and only a poll can say so.

The last review of pull request #1832 names the polls as what surfaces error and stuck states when
the socket is late or lost. Here it is lost before the run fails, and does not come back for a
while. A right client raises, soon after the server was done.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Caller, Fault, Moment, Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks

LOST = (
    Fault("reset", Moment("run-started")),
    Fault("refuse", Moment("run-started"), for_ms=5_000.0),
)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="failed-by-poll",
        script=Script(
            tool_calls=draw(st.integers(0, 2)),
            outcome=draw(st.sampled_from(["error", "stuck"])),
        ),
        server=ServerTiming(
            start_ms=draw(milliseconds(0.1, 100, benign=0.4)),
            think_ms=draw(milliseconds(50, 3_000, benign=200)),
        ),
        network=draw(networks(*LOST)),
        caller=Caller(settle_s=30.0),
    )


SCENARIO = Scenario(
    name="failed-by-poll",
    summary="the run ends in error or stuck, told by polls alone",
    schedules=schedules,
    fails="<1.56",
)
