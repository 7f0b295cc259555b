"""The answer to `POST /run` is a proxy's error, whether or not the server got the request.

The reviews of pull request #1832 discuss the 409 of a second request; this is how a client comes
to need one. A gateway that times out answers 504 for a run that was begun. Raising is right then,
since nobody knows; so is asking again and waiting for the run that is going on. Returning while
it goes on is not, and neither is leaving the caller without an answer.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import RestFault, Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="lost-run-answer",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(think_ms=draw(milliseconds(50, 2_000, benign=500))),
        network=draw(networks()),
        rest=(
            RestFault(
                draw(st.sampled_from(["status", "truncate", "timeout"])),
                "run",
                status=draw(st.sampled_from([504, 502, 503])),
                acted=draw(st.booleans()),
            ),
        ),
    )


SCENARIO = Scenario(
    name="lost-run-answer",
    summary="POST /run is answered by a proxy's error",
    schedules=schedules,
    fails="<1.10",
)
