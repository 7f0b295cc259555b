"""The server's whole process stands still for a while, and its clock goes on.

A paused container (cgroups, `cgroup.freeze`), a virtual machine that gets no CPU, or SIGSTOP does
that: no handler runs, no ping is answered, no frame is sent, and the operating system still takes
what the client sends. Then all of it goes on where it was. A right client waits, and asks again.

Of 20 schedules each, one fails on 1.10.0 (late), and none on 1.16.1, 1.24.0, 1.30.0, 1.43.0 and
1.58.2.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import ProcessEvent, Schedule, Script, ServerTiming
from race_harness.search.strategies import during_run, milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    seconds = draw(st.integers(1, 10) | st.integers(1, 60))
    freeze = ProcessEvent("freeze", draw(during_run(500)), 1_000.0 * seconds)
    return Schedule(
        scenario="server-frozen",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(
            think_ms=draw(milliseconds(50, 2_000, benign=200)),
            process=(freeze,),
        ),
        network=draw(networks()),
    )


SCENARIO = Scenario(
    name="server-frozen",
    summary="the server's whole process stands still for a while",
    schedules=schedules,
    fails="<1.11.1",
)
