"""Polls of the status fail for a while.

Pull request #1832 keeps the polls as its safety net; a net has holes where a proxy answers 503, a
busy server 429, or an answer breaks off or never comes. None of that says anything of the run. A
right client polls again and raises nothing, and does not take a failed poll for an end.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import RestFault, Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="poll-error",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(think_ms=draw(milliseconds(1_500, 5_000, benign=3_000))),
        network=draw(networks()),
        rest=(
            RestFault(
                draw(st.sampled_from(["status", "truncate", "timeout"])),
                nth=draw(st.integers(1, 2)),
                times=draw(st.integers(1, 2)),
                status=draw(st.sampled_from([503, 500, 502, 504, 429])),
            ),
        ),
    )


SCENARIO = Scenario(
    name="poll-error",
    summary="polls of the status are answered 5xx or 429, cut off, or not at all",
    schedules=schedules,
    fails="<1.11.1 || >=1.15,<1.25",
)
