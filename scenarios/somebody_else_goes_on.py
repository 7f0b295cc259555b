"""Somebody else sends a message or asks for a run, before, in or after one's own.

A conversation is known by its id, so that a second tab of the GUI, a colleague's terminal and a
webhook can all be in it. Whoever asks for a run while one is going on is refused with 409 from
1.7 on, and waits for that one; whoever only looks has to be shown what others bring about. A right
client raises nothing, returns when its run is over with everything visible, and shows what comes
afterwards, too.

Of 40 schedules each, five return early on 1.24.0, where a message takes `finished` back, and eight
fail on 1.6.0 (late 8, two of them lost). 1.10.0, 1.43.0 and 1.58.2 pass all.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Moment, OtherAct, Schedule, Script, ServerTiming
from race_harness.search.strategies import during_run, milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    aside = st.sampled_from(["subscribed", "run-returned"])
    later_ms = draw(milliseconds(0, 500, benign=50))
    at = draw(
        during_run(500)
        | aside.map(
            lambda what: Moment(what, after_ms=later_ms)  # type: ignore[arg-type]
        )
    )
    what = draw(st.sampled_from(["run", "message"]))
    return Schedule(
        scenario="somebody-else-goes-on",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(think_ms=draw(milliseconds(50, 2_000, benign=500))),
        network=draw(networks()),
        others=(OtherAct(what, at),),  # type: ignore[arg-type]
    )


SCENARIO = Scenario(
    name="somebody-else-goes-on",
    summary="somebody else sends a message or asks for a run in the conversation",
    schedules=schedules,
    fails="<1.10 || >=1.11.1,<1.25",
)
