"""A failing schedule with less in it."""

from dataclasses import replace

from race_harness.model.schedule import Fault, Interleaving, LineStall, Link, Network, Schedule
from race_harness.search.reduction import reduced

STALL = LineStall("f", "x = 1", 2, 800.0)
FULL = Schedule(
    "t",
    entropy=9,
    network=Network(rest=Link(40.0, 3.0), socket=Link(700.0), faults=(Fault("reset"),)),
    interleaving=Interleaving(5, "pos", at_lines=True, stalls=(STALL,)),
)


def test_what_is_not_needed_goes():
    assert reduced(FULL, lambda _: True) == Schedule("t", entropy=9)
    assert reduced(FULL, lambda _: False) == FULL


def test_what_is_needed_stays_as_small_as_it_fails():
    def fails(schedule):
        stalls = schedule.interleaving.stalls
        return bool(stalls) and stalls[0].for_ms >= 100 and schedule.network.socket.latency_ms > 90

    found = reduced(FULL, fails)
    assert found == Schedule(
        "t",
        entropy=9,
        network=Network(socket=Link(found.network.socket.latency_ms)),
        interleaving=Interleaving(stalls=(replace(STALL, for_ms=100.0),)),
    )
    assert 90 < found.network.socket.latency_ms < 180


def test_it_takes_no_more_tries_than_it_may():
    tries = []
    reduced(FULL, lambda schedule: bool(tries.append(schedule)), tries=3)
    assert len(tries) == 3
