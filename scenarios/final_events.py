"""The race of pull request #1832: the last events of a run are not there when `run()` returns.

The server assigns `finished`, and REST tells so at once; the last events still have to be
published to the socket, travel, and pass the client's callbacks. A client that returns on what a
poll says can return first. 1.10.0 does, on the first poll that says `finished`, and also on a
first poll that still says `idle` because the server's background task has not begun. Here only
delays are drawn: REST and socket latencies, the task's start, the LLM, and the lag of publication,
which is first in, first out as on the real server's event loop. No faults. The run outlasts the
answer of `POST /run`, so that a slow answer, a hazard of its own, does not mix in.
"""

from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Interleaving, Link, Network, Schedule, Script, ServerTiming
from race_harness.search.strategies import milliseconds, switches


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    return Schedule(
        scenario="final-events",
        script=Script(tool_calls=draw(st.integers(0, 2))),
        server=ServerTiming(
            start_ms=draw(milliseconds(0.1, 100, benign=0.4)),
            think_ms=draw(milliseconds(150, 1_500, benign=200)),
            publish_ms=draw(milliseconds(0, 1_000, benign=0.5)),
        ),
        network=Network(
            rest=Link(draw(milliseconds(0.1, 50, benign=0.5))),
            socket=Link(
                latency_ms=draw(milliseconds(0.1, 500, benign=0.5)),
                jitter_ms=draw(milliseconds(0, 100, benign=0)),
            ),
        ),
        interleaving=Interleaving(draw(switches())),
    )


SCENARIO = Scenario(
    name="final-events",
    summary="run() returns before the last events have arrived",
    schedules=schedules,
    fails="<1.11.1",
)
