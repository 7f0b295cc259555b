"""`idle` before the run has begun is taken for the end of the run.

The first review of pull request #1832 calls it suspicious that the change counts `idle` among the
terminal statuses. It was taken out again, but 1.10.0, from before the change, returns on the
first poll that does not say `running`. A server answers `idle` for seconds after `POST /run`,
while it starts the agent, before its background task assigns `running`. A right client does not
take that for an end.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="initial-idle",
        server=ServerTiming(
            start_ms=draw(milliseconds(500, 5_000, benign=500)),
            think_ms=draw(milliseconds(50, 1_000, benign=200)),
        ),
        network=draw(networks()),
    )


SCENARIO = Scenario(
    name="initial-idle",
    summary="the server says idle for a while after POST /run",
    schedules=schedules,
    fails="<1.11.1",
)
