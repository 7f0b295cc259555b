"""The disk of the server's machine is full for a while: whatever is written fails.

A log, a build or a download may fill it, until somebody clears it or a limit of its own ends it.
No event can be appended and no state be saved then, and the handler of that fails as well. From
1.45 on REST tells the status that was saved last, no frame comes of what is not persisted, and the
snapshot that would tell the end of the run is not sent either: the run is over, and all that a
client is told is `running`, until somebody subscribes anew. A right client comes to its end once
the disk has space again.

Of 20 schedules each, 12 hang on every release from 1.45.0 to 1.58.2, and 4 on 1.7.3; one is late
on every release up to 1.6.0. On 1.7.0 to 1.24.0 nobody can know of the end of a run that could not
begin (`server-stall`).
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule, Script, ServerTiming
from race_harness.search.strategies import full_disks, milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="disk-full",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(
            think_ms=draw(milliseconds(50, 2_000, benign=200)),
            process=(draw(full_disks()),),
        ),
        network=draw(networks()),
    )


SCENARIO = Scenario(
    name="disk-full",
    summary="the disk of the server's machine is full for a while",
    schedules=schedules,
    fails="<1.7 || ==1.7.3 || >=1.45",
)
