"""How long a trial may take: as long as the schedule's own work, and then some."""

import pytest

from race_harness.model.schedule import Act, Caller, Schedule, Script, ServerTiming, Turn
from race_harness.sim.kernel import SECOND
from race_harness.sim.serving import Simulation
from race_harness.sim.world import LIMIT_S


def limit_s(schedule):
    return Simulation(schedule).kernel.limit_ns / SECOND


LONG = Turn(tool_calls=60)


@pytest.mark.parametrize(
    ("schedule", "work_s"),
    [
        # 61 steps of 3 s in each of three runs.
        (
            Schedule(
                "x",
                script=Script(tool_calls=60, later=(LONG, LONG)),
                server=ServerTiming(think_ms=3_000),
                caller=Caller(runs=3),
            ),
            3 * 61 * 3,
        ),
        # A run that another thread asks for has its turn as well.
        (
            Schedule(
                "x",
                script=Script(later=(LONG,)),
                server=ServerTiming(think_ms=3_000),
                caller=Caller(acts=(Act("run"),)),
            ),
            62 * 3,
        ),
        # Several calls in one answer are one step; each denial of a stop hook is one more.
        (
            Schedule(
                "x",
                script=Script(tool_calls=60, calls_each=20, stop_hook_denials=2),
                server=ServerTiming(think_ms=100_000),
            ),
            6 * 100,
        ),
        # Each of some 122 events waits for the callback.
        (
            Schedule(
                "x",
                script=Script(tool_calls=60),
                caller=Caller(callback_ms=1_000, callback_on="all"),
            ),
            122,
        ),
    ],
    ids=["runs", "acts", "answers", "callbacks"],
)
def test_what_the_schedule_itself_takes_comes_on_top(schedule, work_s):
    assert limit_s(schedule) >= LIMIT_S + schedule.caller.settle_s + work_s


def test_a_benign_trial_gets_hardly_more_than_the_limit():
    """Else a hang would take long to be one."""
    assert limit_s(Schedule("x")) == pytest.approx(LIMIT_S + 10, abs=1)
    assert limit_s(Schedule("x", caller=Caller(settle_s=90))) == pytest.approx(LIMIT_S + 90, abs=1)
