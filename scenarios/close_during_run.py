"""The client closes and disconnects while `run()` is going on.

Pull request #1832 began with `test_events_not_lost_during_client_disconnection`, whose story is
that of a client that closes its socket while the server is still sending. Here another thread
closes the conversation at some moment of the run. Nobody promises events to a caller that has
closed, but a right client does not leave it waiting: `run()` ends soon after the server was done,
by returning or by raising.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Act, Caller, Schedule, Script, ServerTiming
from race_harness.search.strategies import during_run, milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="close-during-run",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(think_ms=draw(milliseconds(50, 2_000, benign=500))),
        network=draw(networks()),
        caller=Caller(acts=(Act("close", draw(during_run(500))),)),
    )


SCENARIO = Scenario(
    name="close-during-run",
    summary="another thread closes the conversation during run()",
    schedules=schedules,
    fails="<1.7.4",
)
