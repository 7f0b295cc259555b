"""The server's process dies, and is started again with what it had on its disk.

The out-of-memory killer does that, or whoever restarts a container. Every connection breaks, none
can be made for a while, and then the server has its log and the status that it had saved: from
1.7.4 a conversation that was running is in `error`, and a run that was accepted and had not begun
is forgotten. A right client comes to an end all the same, and shows what is there.

Of 20 schedules each, 14 fail on 1.10.0, 11 on 1.16.1, 10 on 1.24.0 (events that are never seen, as
the socket is never connected again), 13 on 1.43.0 (callbacks that are missed, and run() returns
from a run with which the server died) and 3 on 1.58.2 (the latter).
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import ProcessEvent, Schedule, Script, ServerTiming
from race_harness.search.strategies import during_run, milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    crash = ProcessEvent("crash", draw(during_run(500)), 100.0 * draw(st.integers(1, 100)))
    return Schedule(
        scenario="server-killed",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(
            start_ms=draw(milliseconds(0.4, 500, benign=0.4)),
            think_ms=draw(milliseconds(50, 2_000, benign=200)),
            process=(crash,),
        ),
        network=draw(networks()),
    )


SCENARIO = Scenario(
    name="server-killed",
    summary="the server dies, and is started again with what it had persisted",
    schedules=schedules,
    fails="<1.19.1 || >=1.22",
)
