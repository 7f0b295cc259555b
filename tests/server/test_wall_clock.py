"""The clock of the server's machine, which may stand with it."""

from race_harness.model.schedule import ProcessEvent, ServerTiming
from race_harness.model.trace import Trace
from race_harness.server.wall_clock import OwnClock, WallClock

STANDS = ServerTiming(process=(ProcessEvent("freeze", clock="stands"),))
SECOND = 1_000_000_000


class Rig:
    def __init__(self, timing: ServerTiming) -> None:
        self.now_s = 0
        self.trace = Trace(lambda: self.now_s * SECOND)
        self.clock = OwnClock(timing, self.trace)

    def thaw(self, at_s: int, stood_s: float | None) -> None:
        self.now_s = at_s
        stood = {} if stood_s is None else {"stood_ms": stood_s * 1_000}
        self.trace.record("server", "thawed", at_ns=None, by=None, **stood)


def test_it_is_behind_by_as_long_as_it_stood() -> None:
    here = Rig(STANDS)
    here.now_s = 7
    assert here.clock.now_ns() == 7 * SECOND
    here.thaw(10, 4)
    assert here.clock.now_ns() == 6 * SECOND
    here.thaw(20, None)
    assert here.clock.now_ns() == 16 * SECOND
    here.thaw(30, 5)
    assert here.clock.now_ns() == 21 * SECOND
    assert [here.clock.at_ns(at_s * SECOND) // SECOND for at_s in (3, 10, 29, 31)] == [
        3,
        6,
        25,
        22,
    ]


def test_the_instant_at_which_it_said_so() -> None:
    here = Rig(STANDS)
    here.thaw(10, 4)
    here.thaw(30, 5)
    for own_s, instant_s in ((3, 3), (6, 10), (7, 11), (20, 24), (21, 30), (22, 31)):
        assert here.clock.instant_ns(own_s * SECOND) == instant_s * SECOND


def test_without_such_a_thing_nobody_listens_and_it_goes_on() -> None:
    here = Rig(ServerTiming(process=(ProcessEvent("freeze"),)))
    assert here.trace.listeners == []
    here.thaw(10, None)
    assert here.clock.now_ns() == 10 * SECOND


def test_a_set_clock_is_set_for_who_comes_later_too() -> None:
    """For the process that takes the place of one that has died."""
    trace = Trace(lambda: 0)
    trace.record("server", "clock-stepped", by_ms=1_500.0)
    timing = ServerTiming(process=(ProcessEvent("clock-step"),))
    assert WallClock(timing, trace, lambda: 0).stamp_us() == 1_500_000
