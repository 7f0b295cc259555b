"""The caller looks for its own message as soon as `send_message()` has returned.

The answer of `POST /events` says that the message is in the log; the message itself comes over the
socket. So whoever looks at `state.events` at once need not find it there (issue #1737 of the SDK).
A right client returns when it is visible. Only this scenario asks for that: whoever calls `run()`
next gets it in time.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Caller, Schedule, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="own-message",
        server=ServerTiming(publish_ms=draw(milliseconds(0.5, 50, benign=0.5))),
        network=draw(networks()),
        caller=Caller(runs=draw(st.integers(1, 2)), reads_own_message=True),
    )


SCENARIO = Scenario(
    name="own-message",
    summary="the caller looks for its message when send_message() has returned",
    schedules=schedules,
    fails=">=1.0",
)
