"""Somebody else pauses the run, or confirms or rejects what waits to be confirmed.

The GUI has a button for each, and whoever has the conversation open may press it while another
waits in run(). The status that the run has ended in, `waiting_for_confirmation`, may be gone when
a client next looks, since who confirms begins a run and who rejects sets the status to `idle`. A
right client returns all the same, and shows what became of the action.

Of 40 schedules each, 17 never return on 1.24.0, whose polls find `idle` and wait for more, and
seven fail on 1.6.0 (late 7, one of them lost). 1.10.0, 1.43.0 and 1.58.2 pass all.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Moment, OtherAct, Schedule, Script, ServerTiming
from race_harness.search.strategies import during_run, milliseconds, networks


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    what = draw(st.sampled_from(["pause", "confirm", "reject"]))
    decides = st.builds(
        Moment,
        st.sampled_from(["run-ended", "run-cleared", "run-returned"]),
        after_ms=milliseconds(0, 1_500, benign=50),
    )
    return Schedule(
        scenario="somebody-else-decides",
        script=Script(
            tool_calls=draw(st.integers(0, 2)),
            outcome="finished" if what == "pause" else "waiting_for_confirmation",
        ),
        server=ServerTiming(think_ms=draw(milliseconds(50, 2_000, benign=500))),
        network=draw(networks()),
        others=(OtherAct(what, draw(during_run(500) if what == "pause" else decides)),),  # type: ignore[arg-type]
    )


SCENARIO = Scenario(
    name="somebody-else-decides",
    summary="somebody else pauses, confirms or rejects while run() waits",
    schedules=schedules,
    fails="<1.10 || >=1.11.1,<1.25",
)
