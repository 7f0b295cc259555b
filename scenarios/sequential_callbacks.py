"""Callbacks are slow, and one after the other.

"CRITICAL: This callback must execute sequentially with other event callbacks", asks a review of
pull request #1832 under "Sequential Processing Assumption": if the terminal status were handled
before the last event has been added, the race would persist. Here every callback takes its time,
so that what is not sequential shows. A right client gives each event once, in the order of the
log, and returns when the last one is visible.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Caller, Interleaving, Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks, switches


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    # The snapshot of the subscription is handled before the message is sent.
    callback_ms = draw(milliseconds(1, 300, benign=50))
    return Schedule(
        scenario="sequential-callbacks",
        script=Script(tool_calls=draw(st.integers(0, 4))),
        server=ServerTiming(think_ms=draw(milliseconds(50, 500, benign=200))),
        network=draw(networks()),
        caller=Caller(pause_ms=1_000.0, callback_ms=callback_ms, callback_on="all", settle_s=30.0),
        interleaving=Interleaving(draw(switches())),
    )


SCENARIO = Scenario(
    name="sequential-callbacks",
    summary="every callback takes its time",
    schedules=schedules,
    fails="<1.11.1",
)
