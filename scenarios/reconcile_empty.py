"""Fetching the missing events gives an empty page.

The reviews of pull request #1832 ask what a failed reconcile leaves behind. The quietest failure
is a page that is well-formed and empty. No released server gives one (its log never loses an
event), so this is marked as counterfactual: a cache in between that has kept an answer from
before the first event could. Nothing that is worth the name of a client believes that a
conversation in which it has sent a message holds no events; a right one asks again.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Fault, Moment, RestFault, Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="reconcile-empty",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(think_ms=draw(milliseconds(100, 1_500, benign=200))),
        # With its socket lost, the client has to fetch the events.
        network=draw(networks(Fault("reset", Moment("run-started")))),
        rest=(RestFault("empty", "events", times=draw(st.integers(1, 2))),),
        counterfactual=True,
    )


SCENARIO = Scenario(
    name="reconcile-empty",
    summary="an events page is empty that should not be (counterfactual)",
    schedules=schedules,
    fails=">=1.0",
)
