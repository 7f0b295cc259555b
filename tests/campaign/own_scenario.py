"""A scenario of one's own: the socket is slow while the agent is quick.

race run 1.10.0 --scenario own_scenario.py
"""

from hypothesis import strategies as st

from race_harness import Scenario, Schedule


def schedule(latency_ms: int, think_ms: int) -> Schedule:
    return Schedule.from_dict(
        {
            "scenario": "slow-socket",
            "server": {"think_ms": think_ms},
            "network": {"socket": {"latency_ms": latency_ms}},
        }
    )


def schedules() -> st.SearchStrategy[Schedule]:
    return st.builds(schedule, latency_ms=st.integers(50, 500), think_ms=st.integers(150, 900))


SCENARIO = Scenario(
    name="slow-socket",
    summary="events take half a second where answers take none",
    schedules=schedules,
    fails="<1.11.1",
)
