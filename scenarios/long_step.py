"""The LLM takes half a minute and more, and somebody wants something meanwhile.

Up to 1.32 the server awaits the LLM under the lock of the conversation's state. A pause, a message
and, in some releases, every poll and page of events wait for that lock (issues #2622 and #3398 of
the SDK). That is the server's doing, and told as `server-stall`, which passes. A right client does
what it was asked for as soon as the server lets it, and shows each event when it comes.
"""

from typing import Literal

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Act, Caller, Moment, Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    acts: tuple[Literal["send-message", "pause"], ...] = ("send-message", "pause")
    act = draw(st.sampled_from(acts))
    at = Moment("run-started", after_ms=draw(milliseconds(100, 10_000, benign=1_000)))
    return Schedule(
        scenario="long-step",
        script=Script(tool_calls=draw(st.integers(0, 1))),
        server=ServerTiming(think_ms=draw(milliseconds(25_000, 45_000, benign=30_000))),
        network=draw(networks()),
        caller=Caller(acts=(Act(act, at),)),
    )


SCENARIO = Scenario(
    name="long-step",
    summary="somebody pauses or writes while the LLM takes long",
    schedules=schedules,
    fails="<1.25",
)
