"""The control: one benign legal order, which every release must survive.

It is the order of the recorded sessions with the real server: `running` is set after the answer
to `POST /run` has been sent and before the first poll arrives, the run outlasts that answer, and
no thread is switched at random. A harness that reports anything here raises false alarms. It runs
beside every campaign that hunts.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Link, Network, Schedule, ServerTiming
from race_harness.search.strategies import milliseconds


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    # The first poll arrives two latencies after the answer was sent: later than `running`.
    latency = milliseconds(0.3, 1.0, benign=0.5)
    return Schedule(
        scenario="clean",
        server=ServerTiming(think_ms=draw(milliseconds(50, 300, benign=200))),
        network=Network(rest=Link(draw(latency)), socket=Link(draw(latency))),
    )


SCENARIO = Scenario(
    name="clean",
    summary="the control: one benign legal order, no fault",
    schedules=schedules,
)
