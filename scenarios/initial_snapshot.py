"""The snapshot of the subscription reaches the callbacks only after `run()` was called.

1.11.1 arms its queue of terminal statuses before any run; the reviews of pull request #1832 ask
what happens when a status is left over from before. There is one from the very begin: each new
subscriber is sent the whole state, which says `idle`. The client holds itself ready as soon as
that frame is read, and hands it to the callbacks then. A public callback that takes its time
delivers it in the middle of the run, where an armed client takes `idle` for the end. A right
client knows a snapshot from before its run.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Caller, Schedule, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="initial-snapshot",
        server=ServerTiming(think_ms=draw(milliseconds(200, 5_000, benign=2_000))),
        network=draw(networks()),
        caller=Caller(
            callback_ms=draw(milliseconds(50, 500, benign=200)),
            callback_on="all",
            settle_s=30.0,
        ),
    )


SCENARIO = Scenario(
    name="initial-snapshot",
    summary="a slow callback gets the first snapshot in the middle of the run",
    schedules=schedules,
    fails="<1.11.1 || >=1.25",
)
