"""A conversation with a long log is continued, and the socket may be lost during the run.

A page of the log has 100 events (event_router.py:78 of 1.58.2), so a client needs several, and the
run's events are on the last ones. When `run()` returns, a right client shows all events in order;
its callback gets only the new ones.

Of 30 schedules each, those with a reset fail as in `socket-reset`: 11 up to 1.11.0 (lost, late),
10 from 1.11.1 to 1.55.1 (missed callbacks), none from 1.56.0 on. The length of the log alone has
broken no release.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Fault, Schedule, Script, ServerTiming
from race_harness.search.strategies import during_run, milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    history = draw(st.sampled_from([98, 99, 100, 197, 250]) | st.integers(1, 300))
    faults = draw(st.lists(st.builds(Fault, st.just("reset"), during_run(500)), max_size=1))
    return Schedule(
        scenario="long-history",
        script=Script(tool_calls=draw(st.integers(0, 2)), history=history),
        server=ServerTiming(think_ms=draw(milliseconds(50, 2_000, benign=200))),
        network=draw(networks(*faults)),
    )


SCENARIO = Scenario(
    name="long-history",
    summary="a conversation with a long log is continued",
    schedules=schedules,
    fails="<1.56",
)
