"""`POST /run` is answered 409 by the tail of the run before, and nobody runs for the message.

The handling of 409, which the reviews of pull request #1832 rely on, takes for granted that the
run on its way is the one that was asked for. The server refuses a run until the tail of the last
one is over: it waits for every subscriber to have got every event, and another subscriber may be
slow. A message that was sent meanwhile is then answered by nobody, while `run()` returns as if it
were. A right client asks again when the refusing run has ended.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Caller, Schedule, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="conflict-with-tail",
        server=ServerTiming(
            think_ms=draw(milliseconds(100, 1_000, benign=200)),
            other_subscriber_ms=draw(milliseconds(500, 9_000, benign=4_500)),
        ),
        network=draw(networks()),
        caller=Caller(runs=2, between_ms=draw(milliseconds(0, 200, benign=0))),
    )


SCENARIO = Scenario(
    name="conflict-with-tail",
    summary="the tail of the first run refuses the second run with 409",
    schedules=schedules,
    fails="<1.25",
)
