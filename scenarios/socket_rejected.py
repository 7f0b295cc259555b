"""The socket is lost, and the server does not take it back: 4001 or 4004.

The client dies silently with its socket, fears a review of pull request #1832, and only the polls
remain. That is so by design where the server refuses the reconnect for good: its key has been
changed (4001), or it does not know the conversation any more (4004, as after a restart that is
still reading its files). The run goes on all the same, and REST still answers. A right client
stops connecting, returns in time and shows every event, which it has then to fetch. Callbacks get
what is fetched.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Fault, Moment, Schedule, Script, ServerTiming
from race_harness.search.strategies import during_run, milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    code = draw(st.sampled_from([4001, 4004]))
    rejected = Fault("reject", Moment("run-called"), code=code)
    return Schedule(
        scenario="socket-rejected",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(think_ms=draw(milliseconds(50, 3_000, benign=200))),
        network=draw(networks(rejected, Fault("reset", draw(during_run(500))))),
    )


SCENARIO = Scenario(
    name="socket-rejected",
    summary="the socket is lost and reconnecting is refused with 4001 or 4004",
    schedules=schedules,
    fails=">=1.0",
)
