"""A stop hook takes `finished` back.

From the comments of later releases on what pull request #1832 introduced: "FINISHED from REST is
advisory because stop hooks can still veto it". The status is assigned and published, then the
hooks are asked, and the agent goes on with `running`. A client that takes the first `finished`
for the last one returns in the middle. A right one knows the end from what comes after it.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="stop-hook",
        script=Script(
            tool_calls=draw(st.integers(0, 1)), stop_hook_denials=draw(st.integers(1, 2))
        ),
        server=ServerTiming(think_ms=draw(milliseconds(100, 3_000, benign=1_000))),
        network=draw(networks()),
    )


SCENARIO = Scenario(
    name="stop-hook",
    summary="finished is taken back by a stop hook",
    schedules=schedules,
    fails=">=1.8,<1.25",
)
