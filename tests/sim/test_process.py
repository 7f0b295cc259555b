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

from race_harness.clients.reference import ReferenceAdapter
from race_harness.model.schedule import (
    Caller,
    Interleaving,
    Moment,
    ProcessEvent,
    Schedule,
    ServerTiming,
)
from race_harness.network.site import UvicornSite
from race_harness.sim.kernel import Process
from race_harness.workers.trial import run_trial


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


def trial(*events, **more):
    schedule = Schedule("test", server=ServerTiming(process=events), **more)
    return run_trial(schedule, ReferenceAdapter(), UvicornSite())


def times(trial, lane, what):
    return [h.at_ns / 1e9 for h in trial.happenings if (h.lane, h.what) == (lane, what)]


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


# -- a server that dies


def killed(what, after_ms=0.0, for_ms=1_500.0, **timing):
    event = ProcessEvent("crash", Moment(what, after_ms=after_ms), for_ms)
    return Schedule("test", server=ServerTiming(process=(event,), **timing))


def run_by(version, schedule, bug="none"):
    adapter = ReferenceAdapter(bug)
    adapter.server_version = version
    return run_trial(schedule, adapter, UvicornSite())


def test_nothing_of_a_server_goes_on_that_has_died():
    ran = run_by("1.58.0", killed("run-started", 50))
    (crashed,) = times(ran, "server", "crashed")
    (restarted,) = times(ran, "server", "restarted")
    assert restarted - crashed == pytest.approx(1.5, abs=0.01)
    down = [h for h in ran.happenings if crashed < h.at_ns / 1e9 < crashed + 1.5]
    assert not [h.what for h in down if h.lane in ("server", "rest")]
    # The run with which it died is never heard of again, but for its recovery.
    assert not times(ran, "server", "run-cleared")


@pytest.mark.parametrize(
    ("version", "status", "calls"),
    [
        ("1.58.0", "error", "RunFailedError"),
        ("1.7.4", "error", "RunFailedError"),
        ("1.7.3", "running", None),
        ("1.7.2", None, "UnreachableError"),
        ("1.21.0", None, "UnreachableError"),
        ("1.22.0", "error", "RunFailedError"),
    ],
)
def test_what_a_release_knows_of_a_run_with_which_it_has_died(version, status, calls):
    ran = run_by(version, killed("run-started", 50))
    (restarted,) = [h for h in ran.happenings if h.what == "restarted"]
    assert restarted.detail["status"] == status
    (call,) = ran.outcome.calls
    if calls is None:
        # Nobody can know better than to wait for it: that is the server's doing.
        assert call.ended == "never"
        assert ran.judgement.verdicts == ("server-stall",)
    else:
        assert call.error.startswith(calls)
        assert ran.judgement.verdicts in (("ok",), ("explained",))


def test_a_run_that_was_accepted_and_forgotten_is_asked_for_again():
    ran = run_by("1.58.0", killed("run-answered", 50, start_ms=500))
    accepted = [h.detail["run"] for h in ran.happenings if h.what == "run-accepted"]
    assert accepted == [1, 2]
    assert ran.outcome.calls[0].ended == "returned"
    assert ran.judgement.verdicts == ("ok",)


def test_a_status_that_no_log_tells_is_asked_for():
    """It was assigned, and so was on the disk, when the server died before its event was."""
    schedule = killed("run-ended", persist_ms=50)
    for version in ("1.10.0", "1.16.1"):
        ran = run_by(version, schedule)
        (restarted,) = [h for h in ran.happenings if h.what == "restarted"]
        assert restarted.detail["status"] == "finished"
        assert ran.outcome.calls[0].ended == "returned"
        assert ran.judgement.verdicts == ("ok",)


def test_whoever_returns_from_a_run_with_which_the_server_died_is_found():
    ran = run_by("1.58.0", killed("run-started", 50), bug="silent-error")
    assert "spurious-error" in ran.judgement.verdicts


def test_a_dead_server_repeats_to_the_byte():
    schedule = killed("run-started", 50)
    assert run_by("1.58.0", schedule).digest == run_by("1.58.0", schedule).digest


class Unrestartable:
    """A server that has no way to be started again."""

    def __init__(self, server):
        self.app, self.aclose = server.app, server.aclose


class UnrestartableAdapter(ReferenceAdapter):
    def serve(self, schedule, trace):
        return Unrestartable(super().serve(schedule, trace))


def test_a_trial_is_void_where_the_server_cannot_be_started_again():
    ran = run_trial(killed("run-started"), UnrestartableAdapter(), UvicornSite())
    assert ran.judgement is None
    assert "cannot be started again" in ran.outcome.void.reason
    assert run_trial(Schedule("test"), UnrestartableAdapter(), UvicornSite()).judgement


# -- a disk that is full


def full(what, after_ms=0.0, for_ms=1_500.0, caller=None, **timing):
    event = ProcessEvent("disk-full", Moment(what, after_ms=after_ms), for_ms)
    timing = ServerTiming(process=(event,), **timing)
    return Schedule("test", server=timing, caller=caller or Caller())


TWICE = Caller(runs=2, between_ms=30_000)


def told(ran, *names, since="disk-filled"):
    """What the server did from then on, in words."""
    happenings = [h for h in ran.happenings if h.lane == "server"]
    first = next(n for n, h in enumerate(happenings) if h.what == since)
    return [
        " ".join([h.what, *(str(h.detail[k]) for k in ("key", "kind", "status") if k in h.detail)])
        for h in happenings[first:]
        if h.what in names
    ]


def test_nothing_is_persisted_while_the_disk_is_full_and_the_trial_repeats():
    ran = run_by("1.58.0", full("run-started", 50))
    (filled,), (freed,) = (times(ran, "server", f"disk-{what}") for what in ("filled", "freed"))
    assert freed - filled == pytest.approx(1.5)
    assert times(ran, "server", "unwritten")
    assert not [at for at in times(ran, "server", "persisted") if filled < at < freed]
    assert ran.digest == run_by("1.58.0", full("run-started", 50)).digest


def test_a_disk_that_is_filled_twice_is_freed_once_at_the_later_end():
    events = [
        ProcessEvent("disk-full", Moment("run-called", after_ms=at_ms), for_ms)
        for at_ms, for_ms in ((10_000, 5_000), (12_000, 1_000), (13_000, 4_000))
    ]
    ran = trial(*events, caller=Caller(settle_s=20))
    filled, (freed,) = (times(ran, "server", f"disk-{what}") for what in ("filled", "freed"))
    assert freed - filled[0] == pytest.approx(7)


def test_a_disk_that_has_space_again_before_anybody_writes_is_noticed_by_nobody():
    ran = run_by("1.58.0", full("run-started", 50, for_ms=100))
    assert not times(ran, "server", "unwritten") + times(ran, "server", "unsaved")
    assert ran.outcome.calls[0].ended == "returned"


ACTION = "unwritten ActionEvent"
STATUS = "unwritten execution_status ConversationStateUpdateEvent"
ERROR = "unwritten ConversationErrorEvent"


@pytest.mark.parametrize(
    ("version", "acts"),
    [
        # Its handler fails at the first thing that it does, and the snapshot tells the status.
        ("1.10.0", [ACTION, "status error", "unsaved", "snapshot error"]),
        # What is to be saved is tried again by whoever has the lock, the snapshot included.
        ("1.24.0", [ACTION, "status error", STATUS, ERROR, "unsaved", "unsaved"]),
        # It trips over the empty file of the action.
        ("1.30.0", [ACTION, "status error", STATUS, "unsaved", "unsaved", "unsaved"]),
        ("1.43.0", [ACTION, "status error", STATUS, "unsaved", ERROR] + ["unsaved"] * 3),
        # There are no empty files any more.
        ("1.58.0", [ACTION, "status error", STATUS, ERROR, "unsaved", ERROR] + ["unsaved"] * 3),
    ],
)
def test_what_a_release_does_that_cannot_write_what_the_agent_does(version, acts):
    ran = run_by(version, full("run-started", 50))
    assert told(ran, "unwritten", "unsaved", "status", "snapshot") == acts


@pytest.mark.parametrize(
    ("version", "verdict"),
    [("1.10.0", "server-stall"), ("1.24.0", "server-stall"), ("1.25.0", "ok"), ("1.58.0", "ok")],
)
def test_up_to_1_24_a_run_that_cannot_begin_is_left_running(version, verdict):
    """Nobody can know of its end then, and who waits for ever is not blamed."""
    ran = run_by(version, full("run-called"))
    assert ran.judgement.verdicts == (verdict,)


@pytest.mark.parametrize(
    ("version", "ended"), [("1.8.1", "returned"), ("1.8.2", "raised"), ("1.31.0", "returned")]
)
def test_a_release_trips_over_the_empty_file_of_an_event(version, ended):
    ran = run_by(version, full("run-started", 50, caller=TWICE))
    first, second = ran.outcome.calls
    assert (first.ended, second.ended) == ("raised", ended)
    assert ran.judgement.verdicts == ("ok",)


def test_what_cannot_be_written_is_answered_500_and_sent_again():
    ran = run_by("1.58.0", full("subscribed", 20))
    answers = [
        h.detail["status"] for h in ran.happenings if (h.lane, h.what) == ("rest", "answer")
    ]
    assert 500 in answers
    assert ran.outcome.calls[0].ended == "returned"
    assert ran.judgement.verdicts == ("ok",)


def test_whoever_takes_silence_for_work_is_found():
    ran = run_by("1.58.0", full("run-started", 50), bug="trusts-silence")
    assert ran.judgement.verdicts == ("hang",)
