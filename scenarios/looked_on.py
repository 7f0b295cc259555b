"""A further client of the same release looks on, while the first one runs.

A colleague's program or a second tab connects to the conversation by its id
(`RemoteConversation(conversation_id=...)`), before, in or after a run, and somebody may have the
agent go on afterwards. A right client shows the whole log to whoever looks on: what was there
before it came, what comes while it is coming, and what comes later, each once and in order, each
of these last given to the callback, and the state as it is.

Of 40 schedules each, 1.10.0, 1.24.0, 1.43.0 and 1.58.2 pass all. Four fail on 1.6.0, by the client
that runs; who looks on is shown all there, too.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import (
    Moment,
    OtherAct,
    Schedule,
    Script,
    ServerTiming,
    Watcher,
)
from race_harness.search.strategies import during_run, milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    goes_on = OtherAct(
        "run", Moment("run-returned", after_ms=draw(milliseconds(0, 500, benign=0)))
    )
    return Schedule(
        scenario="looked-on",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(think_ms=draw(milliseconds(50, 2_000, benign=500))),
        network=draw(networks()),
        others=(goes_on,) if draw(st.booleans()) else (),
        watchers=(Watcher(draw(during_run(2_000))),),
    )


SCENARIO = Scenario(
    name="looked-on",
    summary="a further client connects to the conversation by its id and looks on",
    schedules=schedules,
    fails="<1.10",
)
