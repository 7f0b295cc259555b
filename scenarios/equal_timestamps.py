"""Events bear equal timestamps where a query for recent ones begins.

"Bug: `timestamp__gte` ... Should be `timestamp__gt`. This is wasteful and relies entirely on
deduplication", says the first review of pull request #1832 about fetching from the last known
timestamp on. It is no bug: clocks are coarse (15.6 ms on some systems, and they are set back), so
an event that is not known may bear the very timestamp of the last one that is. A client that
takes the review's advice loses it. A right one asks for the boundary again, and puts equal ones
in the order of the log.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Fault, Moment, Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    # Some of the frames of one tick are delivered, the others are lost.
    lost = Moment("frame-delivered", nth=draw(st.integers(2, 6)), since="run-called")
    return Schedule(
        scenario="equal-timestamps",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(
            think_ms=draw(milliseconds(0, 500, benign=200)),
            clock_ms=draw(st.sampled_from([15.6, 100.0, 1_000.0])),
        ),
        network=draw(networks(Fault("reset", lost))),
    )


SCENARIO = Scenario(
    name="equal-timestamps",
    summary="events are stamped alike, and some of their frames are lost",
    schedules=schedules,
    fails="<1.56",
)
