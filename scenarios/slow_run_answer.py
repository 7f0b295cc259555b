"""The run is over before the answer to `POST /run` has arrived.

Pull request #1832 drains what is stale when `run()` is called and listens from then on; later
releases listen only once the answer to `POST /run` is there. The server starts the run before it
writes that answer, and a proxy may hold it. The snapshot after a short run then passes by a
client that is not listening yet. A right client hears it, or asks.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="slow-run-answer",
        server=ServerTiming(
            answer_run_ms=draw(milliseconds(250, 3_000, benign=300)),
            think_ms=draw(milliseconds(1, 200, benign=100)),
        ),
        network=draw(networks()),
    )


SCENARIO = Scenario(
    name="slow-run-answer",
    summary="POST /run is answered when the run is over",
    schedules=schedules,
    fails="<1.10 || >=1.25",
)
