"""The frame of the terminal status comes before the frames of the events that it follows.

A maintainer asked under pull request #1832 whether the terminal status can be streamed back
first, before the other events, and was answered that it cannot, since all go through one queue.
The queue is one of coroutines, though: one that waits for a full socket buffer lets later ones
pass, and up to 1.22.0 webhooks published on the same socket. A client that returns upon the
status then returns before the events. A right one waits for the snapshot that comes after all of
them, or fetches what is missing.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="terminal-frame-first",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(
            think_ms=draw(milliseconds(100, 1_500, benign=200)),
            publish_ms=draw(milliseconds(2, 500, benign=10)),
            status_overtakes=draw(st.integers(1, 3)),
        ),
        network=draw(networks()),
    )


SCENARIO = Scenario(
    name="terminal-frame-first",
    summary="the frame of the final status overtakes those of the last events",
    schedules=schedules,
    fails="<1.25",
)
