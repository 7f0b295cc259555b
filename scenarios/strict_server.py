"""A server that says `finished` only when it has flushed, as the reviewers would have it.

"The real fix would be server-side", says the first review of pull request #1832. No release does
it, so this is marked as counterfactual. The schedules are those of `finished-before-flush`, with
REST silent about the end of a run until every frame before it has been sent. What a client still
gets wrong here is its own: it took `idle` for an end before the run had begun, or frames that
were sent were still on the way.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="strict-server",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(
            think_ms=draw(milliseconds(150, 1_500, benign=200)),
            publish_ms=draw(milliseconds(100, 3_000, benign=1_000)),
            flushes_first=True,
        ),
        network=draw(networks()),
        counterfactual=True,
    )


SCENARIO = Scenario(
    name="strict-server",
    summary="the same with a server that flushes first (counterfactual)",
    schedules=schedules,
    fails="<1.7",
)
