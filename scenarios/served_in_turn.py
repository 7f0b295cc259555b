"""Another subscriber is slow, and the server serves it first.

Up to release 1.22.0 the server awaits one subscriber after another (pub_sub.py, `__call__`), so
another client whose socket is full holds up the frames of all that came after it; since then they
are served at once, and only the tail of a run waits. REST is ahead of the frames meanwhile. A
right client does not return before it has the events that REST tells it of.

Of 20 schedules each, all are late on 1.10.0, and none on 1.43.0 and 1.58.2.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="served-in-turn",
        script=Script(tool_calls=draw(st.integers(0, 3))),
        server=ServerTiming(
            think_ms=draw(milliseconds(50, 2_000, benign=200)),
            other_subscriber_ms=draw(milliseconds(50, 2_000, benign=500)),
            other_subscriber_first=True,
        ),
        network=draw(networks()),
    )


SCENARIO = Scenario(
    name="served-in-turn",
    summary="another subscriber is slow, and is served first",
    schedules=schedules,
    fails=">=1.7,<1.11.1",
)
