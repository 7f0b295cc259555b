"""Threads of one process stand still together, and the trial goes on beside them."""

import asyncio
import datetime
import select
import socket
import threading
import time
from dataclasses import replace

import pytest
from alone import Alone
from process_rig import run_by, times, trial

from race_harness.model.schedule import (
    Caller,
    Interleaving,
    Moment,
    ProcessEvent,
    Schedule,
    ServerTiming,
)
from race_harness.sim.strands import Process


def ticks(alone, stop_at_s, resume_at_s, in_process=True, stands=False):
    """When a thread that wakes every second, and one that it started, got their turn; and a third
    one, which is no part of the process."""
    process = Process()
    told = {"parent": [], "child": [], "other": []}

    def tick(name):
        for _ in range(6):
            time.sleep(1)
            told[name].append(alone.now_s)

    def parent():
        if in_process:
            alone.kernel.strand_of_caller().process = process
        child = threading.Thread(target=tick, args=("child",))
        child.start()
        tick("parent")
        child.join()

    def program():
        threads = [
            threading.Thread(target=parent),
            threading.Thread(target=tick, args=("other",)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def stop():
        alone.kernel.stop(process)
        if stands:
            alone.kernel.stand(process)

    alone.at(stop_at_s * 1_000, stop)
    alone.at(resume_at_s * 1_000, lambda: alone.kernel.resume(process))
    alone.run(program)
    return told


def test_a_process_stands_still_with_all_threads_that_it_started():
    told = ticks(Alone(), 2.5, 10)
    assert told["other"] == [1, 2, 3, 4, 5, 6]
    assert told["parent"] == told["child"] == [1, 2, 10, 11, 12, 13]


def test_threads_of_no_process_are_not_concerned():
    told = ticks(Alone(), 2.5, 10, in_process=False)
    assert told["parent"] == told["child"] == told["other"] == [1, 2, 3, 4, 5, 6]


def test_whoever_stops_its_own_process_stops_at_the_next_scheduling_point():
    alone, process, told = Alone(), Process(), []

    def stopper():
        alone.kernel.strand_of_caller().process = process
        alone.kernel.stop(process)
        told.append(alone.now_s)
        with threading.Lock():
            told.append(alone.now_s)

    def program():
        thread = threading.Thread(target=stopper)
        thread.start()
        time.sleep(3)
        assert told == [0]
        alone.kernel.resume(process)
        thread.join()

    alone.run(program)
    assert told == [0, 3]


# -- a clock that stands


def test_where_the_clock_stands_what_is_left_of_a_wait_comes_afterwards():
    told = ticks(Alone(), 2.5, 10, stands=True)
    assert told["other"] == [1, 2, 3, 4, 5, 6]
    assert told["parent"] == told["child"] == [1, 2, 10.5, 11.5, 12.5, 13.5]


def in_process_that_stands(body, since_s=1, until_s=5):
    """Run `body` in a process whose clock stands meanwhile; what it returns."""
    alone, process, told = Alone(), Process(), []

    def inside():
        alone.kernel.strand_of_caller().process = process
        told.append(body(alone))

    def program():
        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()

    def stop():
        alone.kernel.stop(process)
        alone.kernel.stand(process)

    alone.at(since_s * 1_000, stop)
    alone.at(until_s * 1_000, lambda: alone.kernel.resume(process))
    alone.run(program)
    return told[0]


CLOCKS = {
    # A trial swaps what a name stands for.
    "monotonic": lambda: time.monotonic(),
    "time": lambda: time.time(),
    "gettime": lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    "now": lambda: datetime.datetime.now(datetime.UTC).timestamp(),
    "loop": lambda: asyncio.new_event_loop().time(),
}


@pytest.mark.parametrize("read", CLOCKS.values(), ids=CLOCKS)
def test_every_clock_is_behind_from_then_on(read):
    def body(alone):
        began = read()
        time.sleep(3)
        return round(read() - began, 6), alone.now_s

    assert in_process_that_stands(body) == (3, 7)
    assert in_process_that_stands(body, 5, 6) == (3, 3)


def wait_for_event(seconds):
    threading.Event().wait(seconds)


def wait_in_loop(seconds):
    asyncio.run(asyncio.sleep(seconds))


def sleep(seconds):
    time.sleep(seconds)


def poll(seconds):
    one, other = socket.socketpair()
    with one, other:
        select.select([one], [], [], seconds)


@pytest.mark.parametrize("wait", [wait_for_event, wait_in_loop, poll, sleep])
def test_whatever_waits_by_the_clock_waits_as_much_longer(wait):
    def body(alone):
        for _ in range(3):
            wait(2)
        return round(alone.now_s, 6)

    assert in_process_that_stands(body) == 10


def test_whoever_is_woken_meanwhile_goes_on_at_once_and_is_not_woken_twice():
    event = threading.Event()

    def body(alone):
        woken = event.wait(3)
        at_s = alone.now_s
        time.sleep(10)
        return woken, at_s, alone.now_s

    alone, process, told = Alone(), Process(), []

    def inside():
        alone.kernel.strand_of_caller().process = process
        told.append(body(alone))

    def program():
        thread = threading.Thread(target=inside)
        thread.start()
        time.sleep(2)
        event.set()
        thread.join()

    alone.at(1_000, lambda: (alone.kernel.stop(process), alone.kernel.stand(process)))
    alone.at(5_000, lambda: alone.kernel.resume(process))
    alone.run(program)
    assert told == [(True, 5, 15)]


def test_a_wait_that_begins_as_the_clock_stops_is_put_off_too():
    alone, process, told = Alone(), Process(), []

    def inside():
        alone.kernel.strand_of_caller().process = process
        alone.kernel.stop(process)
        alone.kernel.stand(process)
        time.sleep(1)
        told.append(alone.now_s)

    def program():
        thread = threading.Thread(target=inside)
        thread.start()
        time.sleep(3)
        alone.kernel.resume(process)
        thread.join()

    alone.run(program)
    assert told == [4]


FREEZE = ProcessEvent("freeze", Moment("run-started", after_ms=50), 5_000)


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_a_frozen_server_does_nothing_and_its_sockets_take_what_comes(seed):
    """Whatever the interleaving, which may stop a thread between any two of its steps."""
    ran = trial(FREEZE, interleaving=Interleaving(seed=seed))
    (frozen,), (thawed,) = times(ran, "server", "frozen"), times(ran, "server", "thawed")
    assert thawed - frozen == pytest.approx(5)
    by_server = [h for h in ran.happenings if h.lane in ("server", "socket")]
    assert not [
        h.what
        for h in by_server
        if frozen < h.at_ns / 1e9 < thawed and h.what not in ("frozen", "frame-delivered")
    ]
    # The reference client asks on, and is told in the end.
    assert [at for at in times(ran, "rest", "request") if frozen < at < thawed]
    assert not [at for at in times(ran, "rest", "answer") if frozen < at < thawed]
    assert ran.judgement.verdicts == ("ok",)


def test_a_freeze_during_another_makes_it_as_long_as_the_longer_one():
    later = ProcessEvent("freeze", Moment("run-started", after_ms=1_050), 6_000)
    (frozen, _), (thawed,) = (
        times(trial(FREEZE, later), "server", what) for what in ("frozen", "thawed")
    )
    assert thawed - frozen == pytest.approx(7)


def test_a_server_that_stands_still_at_the_end_is_waited_for():
    """The caller settles as much longer, so that nobody is blamed for what nobody sent."""
    at_end = ProcessEvent("freeze", Moment("run-ended"), 30_000)
    ran = trial(at_end, caller=Caller(blocking=False, settle_s=5))
    assert ran.outcome.stopped is None
    assert times(ran, "client", "close-called")[0] > times(ran, "server", "thawed")[0]
    assert ran.judgement.verdicts == ("ok",)


def test_a_trial_repeats_to_the_byte():
    assert trial(FREEZE).digest == trial(FREEZE).digest != trial().digest


STAND = replace(FREEZE, clock="stands")


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_a_server_whose_clock_stands_ends_its_run_as_much_later(seed):
    still, stood = (trial(e, interleaving=Interleaving(seed=seed)) for e in (FREEZE, STAND))
    (began,) = times(stood, "server", "run-started")
    (thawed,) = times(stood, "server", "thawed")
    # 150 of the 200 ms that its LLM takes are still to come.
    assert times(stood, "server", "run-ended")[0] >= thawed + 0.15
    assert times(still, "server", "run-ended")[0] < thawed + 0.15
    assert stood.judgement.verdicts == ("ok",)
    assert [h.detail for h in stood.happenings if h.what == "thawed"] == [{"stood_ms": 5_000.0}]
    assert trial(STAND).digest == trial(STAND).digest != trial(FREEZE).digest
    assert thawed - began == pytest.approx(5.05, abs=0.01)


def test_nothing_comes_to_a_machine_that_stands_still():
    """The reference client asks on meanwhile, also over new connections."""
    still, stood = trial(FREEZE), trial(STAND)
    for ran, some in ((still, True), (stood, False)):
        (frozen,), (thawed,) = times(ran, "server", "frozen"), times(ran, "server", "thawed")
        asked = [at for at in times(ran, "rest", "request") if frozen + 0.01 < at < thawed]
        assert bool(asked) is some
    (thawed,) = times(stood, "server", "thawed")
    assert [at for at in times(stood, "rest", "request") if at >= thawed]


def test_a_process_that_takes_the_place_of_another_has_the_clock_of_the_machine():
    """Its lease of 45 s runs out as much later."""
    crash = ProcessEvent("crash", Moment("run-started", after_ms=10_000), 40_000)
    for for_ms, status in ((0.0, "error"), (9_000.0, None)):
        stand = replace(STAND, for_ms=for_ms)
        process = (crash, stand) if for_ms else (crash,)
        timing = ServerTiming(think_ms=20_000, process=process)
        ran = run_by("1.21.0", Schedule("test", server=timing))
        (restarted,) = [h for h in ran.happenings if h.what == "restarted"]
        assert restarted.detail["status"] == status


# -- a clock that is set


def step(by_ms, after_ms=50.0):
    return ProcessEvent("clock-step", Moment("run-started", after_ms=after_ms), by_ms=by_ms)


def test_no_timer_notices_that_the_clock_is_set():
    plain, stepped = trial(), trial(step(-3_600_000))
    assert times(stepped, "server", "clock-stepped") == [
        pytest.approx(times(plain, "server", "run-started")[0] + 0.05)
    ]
    for lane, what in (("server", "run-ended"), ("client", "run-returned")):
        assert times(stepped, lane, what) == times(plain, lane, what)
    assert stepped.judgement.verdicts == ("ok",)
    assert stepped.digest == trial(step(-3_600_000)).digest != plain.digest


def test_the_clock_is_set_while_the_server_stands_still_or_is_down():
    for event in (FREEZE, ProcessEvent("crash", Moment("run-started"), 1_500.0)):
        (at_s,) = times(trial(event, step(-5_000, 500)), "server", "clock-stepped")
        since_s = times(trial(event), "server", "run-started")[0]
        assert at_s == pytest.approx(since_s + 0.5)


@pytest.mark.parametrize(
    ("by_ms", "status"), [(0.0, None), (-3_600_000.0, None), (3_600_000.0, "error")]
)
def test_a_lease_is_over_by_the_clock(by_ms, status):
    crash = ProcessEvent("crash", Moment("run-started"), 1_500.0)
    process = (crash, step(by_ms, 500))
    ran = run_by("1.21.0", Schedule("test", server=ServerTiming(process=process)))
    (restarted,) = [h for h in ran.happenings if h.what == "restarted"]
    assert restarted.detail["status"] == status
