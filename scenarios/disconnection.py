"""The socket goes away just when the last events are sent.

Pull request #1832 began with `test_events_not_lost_during_client_disconnection`. It failed in CI
with three or four events on the client and six on the server, the action and the observation of
the finish missing. Its docstring has the client disconnect while the server is still sending
them. Here the connection is lost at one of the last frames. A right client shows all of them when
`run()` returns.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Fault, Moment, Schedule, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    # After `run()` was called: running, action, observation, finished.
    last = Moment("persisted", draw(st.integers(2, 4)), since="run-called")
    how = draw(st.sampled_from(["reset", "close"]))
    return Schedule(
        scenario="disconnection",
        server=ServerTiming(
            think_ms=draw(milliseconds(100, 1_500, benign=200)),
            publish_ms=draw(milliseconds(0, 300, benign=0.5)),
        ),
        network=draw(networks(Fault(how, last))),  # type: ignore[arg-type]
    )


SCENARIO = Scenario(
    name="disconnection",
    summary="the socket is lost while the last events are sent",
    schedules=schedules,
    fails=">=1.0",
)
