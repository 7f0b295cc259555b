"""Only polls can tell that the run is over, and how long that takes is the client's choice.

"TERMINAL_POLL_THRESHOLD = 3 adds 3 seconds of latency in the fallback path", notes a review of
pull request #1832; from 1.25.0 the fallback takes thirty. Here the socket is lost when the server
has assigned the last status, and nobody answers where it was. A right client fetches what is
missing once REST says that the run is over, and returns within seconds. More than ten after the
server was done is a stall.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Caller, Fault, Moment, Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    lost = Moment(draw(st.sampled_from(["run-ended", "run-started"])))
    return Schedule(
        scenario="terminal-polls",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(
            think_ms=draw(milliseconds(50, 2_000, benign=200)),
            publish_ms=draw(milliseconds(0.5, 100, benign=0.5)),
        ),
        network=draw(networks(Fault("reset", lost), Fault("refuse", lost, for_ms=20_000.0))),
        # Reconnecting is over by then, too: tried after 1, 3, 7, 15 and 31 s.
        caller=Caller(settle_s=45.0),
    )


SCENARIO = Scenario(
    name="terminal-polls",
    summary="the socket is gone for good when the run ends",
    schedules=schedules,
    fails=">=1.0",
)
