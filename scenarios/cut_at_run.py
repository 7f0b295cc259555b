"""The socket is reset at the moment when `run()` is called.

The reviewers of pull request #1832 asked what happens when the socket is lost during a run: the
fallback on REST polls was to be the safety net. 1.10.0 never connects again. 1.11.1 fetches the
events over REST but gives none of them to the callbacks. Later releases reconnect, and then the
server's snapshot for the new subscriber may still say `idle`, which an armed client takes for the
end of its run. A right client returns after the run has ended, with every event visible, each
given once to the callback.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Fault, Link, Moment, Network, Schedule, ServerTiming
from race_harness.search.strategies import milliseconds


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="cut-at-run",
        server=ServerTiming(
            start_ms=draw(milliseconds(0.1, 2_000, benign=0.4)),
            think_ms=draw(milliseconds(50, 5_000, benign=200)),
        ),
        network=Network(
            rest=Link(draw(milliseconds(0.1, 50, benign=0.5))),
            socket=Link(draw(milliseconds(0.1, 50, benign=0.5))),
            faults=(Fault("reset", at=Moment("run-called")),),
        ),
    )


SCENARIO = Scenario(
    name="cut-at-run",
    summary="the socket is reset when run() is called",
    schedules=schedules,
    fails=">=1.0",
)
