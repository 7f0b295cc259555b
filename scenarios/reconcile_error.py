"""Fetching the missing events fails once or a few times.

"Silent Failure: ... `break` # Silent failure, caller has no idea", says the first review of pull
request #1832 of the loop that fetches recent events: an error ends it with a warning in the log,
and `run()` returns without them. A proxy that restarts answers 502 or 503, a busy server 429, and
an answer may break off. A right client asks again; if it cannot read the events, it says so
rather than return.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Fault, Moment, RestFault, Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="reconcile-error",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(think_ms=draw(milliseconds(100, 1_500, benign=200))),
        # With its socket lost, the client has to fetch the events.
        network=draw(networks(Fault("reset", Moment("run-started")))),
        rest=(
            RestFault(
                draw(st.sampled_from(["status", "truncate"])),
                "events",
                times=draw(st.integers(1, 3)),
                status=draw(st.sampled_from([503, 500, 502, 429])),
            ),
        ),
    )


SCENARIO = Scenario(
    name="reconcile-error",
    summary="the events cannot be fetched at the first try",
    schedules=schedules,
    fails=">=1.0",
)
