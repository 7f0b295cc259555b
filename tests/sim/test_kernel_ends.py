"""How a trial ends: by itself, at a limit, with threads left over, with exceptions in threads."""

import asyncio
import gc
import queue
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alone import DAY_S, Alone, run_alone, run_strands
from leftovers import LEFTOVERS

from race_harness.sim.kernel import SECOND

# -- the ends that a trial can come to


def _two_locks_crossed():
    first, second = threading.Lock(), threading.Lock()

    def take_second_then_first():
        with second:
            time.sleep(1)
            with first:
                pass

    thread = threading.Thread(target=take_second_then_first, name="crossing")
    thread.start()
    with first:
        time.sleep(1)
        with second:
            pass
    thread.join()


def test_a_deadlock_ends_the_trial_with_every_stack():
    alone = Alone()
    alone.run(_two_locks_crossed)
    assert alone.kernel.stop_reason == "deadlock: every thread waits and no timer is left"
    titles = sorted(alone.kernel.stacks)
    assert titles == ["0 main (waits: lock)", "1 crossing (waits: lock)"]
    main, crossing = (alone.kernel.stacks[title] for title in titles)
    assert "in _two_locks_crossed" in main
    assert "in take_second_then_first" in crossing
    assert "take_second" not in main


def test_what_only_looks_like_a_deadlock_is_none():
    """A timer is left: something can still happen."""

    def program():
        lock = threading.Lock()
        lock.acquire()
        threading.Timer(3600, lock.release).start()
        return lock.acquire()

    assert run_alone(program) is True


def test_a_deadlock_of_main_in_a_join_ends_the_trial():
    alone = Alone()

    def wait_for_ever():
        threading.Event().wait()

    def program():
        thread = threading.Thread(target=wait_for_ever, name="waiting")
        thread.start()
        thread.join()

    alone.run(program)
    assert alone.kernel.stop_reason.startswith("deadlock")
    assert alone.kernel.violations == []
    assert any("wait_for_ever" in stack for stack in alone.kernel.stacks.values())


def _spin_on_a_lock():
    lock = threading.Lock()
    while True:
        with lock:
            pass


def _spin_on_the_clock():
    while True:
        time.sleep(0)


def _spin_in_a_loop():
    async def spin():
        while True:
            await asyncio.sleep(0)

    asyncio.run(spin())


@pytest.mark.parametrize("spin", [_spin_on_a_lock, _spin_on_the_clock, _spin_in_a_loop])
@pytest.mark.parametrize("where", ["main", "thread"])
def test_a_loop_that_spins_meets_the_step_limit(spin, where, every_word):
    alone = Alone(max_steps=2_000)

    def program():
        if where == "main":
            spin()
        thread = threading.Thread(target=spin)
        thread.start()
        thread.join()

    alone.run(program)
    assert alone.kernel.stop_reason == "step limit: 2000 scheduling steps"
    assert alone.kernel.now_ns == 0
    assert any(spin.__name__ in stack for stack in alone.kernel.stacks.values())
    del alone
    gc.collect()
    assert every_word() == []


def test_as_many_steps_as_allowed_are_no_spinning():
    assert run_alone(lambda: [time.sleep(0) for _ in range(1_000)], max_steps=1_000)


def test_polling_for_ever_meets_the_virtual_time_limit():
    alone = Alone(limit_s=60)

    def program():
        while True:
            time.sleep(1)

    alone.run(program)
    assert alone.kernel.stop_reason == "virtual-time limit: 60 s"
    assert alone.now_s == 60


def test_a_sleep_up_to_the_limit_is_allowed():
    assert run_alone(lambda: time.sleep(DAY_S) or "done", limit_s=DAY_S) == "done"


def test_a_stopped_trial_unwinds_the_main_thread():
    """Its `finally` blocks run, and waiting in them does not go on either."""
    alone = Alone(limit_s=1)
    unwound = []

    def program():
        try:
            threading.Event().wait(10)
        finally:
            unwound.append(alone.now_s)
            time.sleep(1)
            unwound.append("waited")

    alone.run(program)
    assert unwound == [0]


def test_an_exception_in_main_comes_out_of_the_trial():
    with pytest.raises(LookupError, match="mine"):
        Alone().run(lambda: (_ for _ in ()).throw(LookupError("mine")))


@pytest.mark.parametrize("kind", ["Lock", "RLock"])
@pytest.mark.parametrize("holder", [False, True], ids=["free", "held by another"])
def test_a_trial_stopped_in_a_condition_is_stopped_and_does_not_raise(kind, holder):
    """Unwinding takes the condition's lock again; that must not hide why the trial ended.

    Otherwise a hang is taken for an error of the client.
    """
    alone = Alone(limit_s=5)
    raised = []

    def hold(condition):
        with condition:
            threading.Event().wait()

    def program():
        condition = threading.Condition(getattr(threading, kind)())
        try:
            with condition:
                if holder:
                    threading.Thread(target=hold, args=(condition,)).start()
                condition.wait(3_600)
        except Exception as error:
            raised.append(error)

    alone.run(program)
    assert alone.kernel.stop_reason == "virtual-time limit: 5 s"
    assert raised == []


def test_a_client_that_waits_for_ever_hangs_and_does_not_fail():
    """The same by way of `Event.wait`, while other threads keep time going."""
    alone = Alone(limit_s=5)
    raised = []

    def tick():
        while True:
            time.sleep(1)

    def program():
        threading.Thread(target=tick).start()
        try:
            threading.Event().wait()
        except Exception as error:
            raised.append(error)

    alone.run(program)
    assert alone.kernel.stop_reason == "virtual-time limit: 5 s"
    assert raised == []


# -- leftover threads


@pytest.mark.parametrize("leave", LEFTOVERS.values(), ids=LEFTOVERS)
@pytest.mark.parametrize(("head_start_s", "seed"), [(0, None), (10, None), (10, 5)])
def test_leftover_threads_are_killed_silently(leave, head_start_s, seed, every_word):
    """Not a word, also when what they held is collected."""
    alone = Alone(seed=seed)

    def program():
        kept = leave()
        time.sleep(head_start_s)
        return [kept]

    assert alone.run(program) is not None
    assert all(strand.done for strand in alone.kernel.strands[1:])
    assert alone.kernel.violations == []
    assert alone.kernel.stop_reason is None
    del alone
    gc.collect()
    assert every_word() == []


def test_a_process_with_leftover_threads_ends_in_silence():
    """Also the exit handlers of `threading` and `concurrent.futures` find nothing to wait for."""
    script = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from leftovers import LEFTOVERS
from alone import Alone
kept = []
for leave in LEFTOVERS.values():
    for stopped in (False, True):
        alone = Alone(limit_s=20)
        alone.run(lambda: (kept.append(leave()), time.sleep(30 if stopped else 10)))
        assert bool(alone.kernel.stop_reason) == stopped
print(len(kept))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr, done.returncode) == (str(2 * len(LEFTOVERS)), "", 0)


def test_a_thread_that_fails_while_it_runs_is_not_silent(every_word):
    """What the tests above must be able to see."""

    def fail():
        raise LookupError("mine")

    def program():
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        return thread.is_alive()

    assert run_alone(program) is False
    assert any("LookupError: mine" in word for word in every_word())


@pytest.mark.parametrize(
    "wait",
    [
        lambda: time.sleep(1),
        lambda: threading.Event().wait(),
        lambda: threading.Event().wait(5),
        lambda: queue.Queue().get(),
        lambda: queue.SimpleQueue().get(timeout=5),
        lambda: threading.Thread(target=time.sleep, args=(5,)).start(),
        lambda: ThreadPoolExecutor(1).submit(time.sleep, 5).result(),
        lambda: asyncio.run(asyncio.sleep(5)),
    ],
    ids=["sleep", "event", "event-5s", "queue", "simple-queue", "thread", "executor", "loop"],
)
def test_a_killed_thread_does_not_wait_in_its_finally(wait, every_word):
    alone = Alone()
    left = []

    def stay():
        try:
            time.sleep(DAY_S)
        finally:
            left.append("finally")
            wait()
            left.append("waited")

    def program():
        threading.Thread(target=stay, daemon=True).start()
        time.sleep(1)

    alone.run(program)
    assert left == ["finally"]
    assert alone.now_s == 1
    assert all(strand.done for strand in alone.kernel.strands[1:])
    gc.collect()
    assert every_word() == []


def test_threads_are_killed_in_the_order_of_their_start():
    alone = Alone()
    order = []

    def stay(name):
        try:
            time.sleep(DAY_S)
        finally:
            order.append(name)

    def program():
        for name in "abc":
            threading.Thread(target=stay, args=name, daemon=True).start()
        time.sleep(1)

    alone.run(program)
    assert order == list("abc")


def test_a_thread_that_never_ran_is_not_run_to_be_killed():
    alone = Alone()
    ran = []
    alone.run(lambda: alone.kernel.spawn(lambda: ran.append("ran")))
    assert ran == []
    assert all(strand.done for strand in alone.kernel.strands[1:])


# -- exceptions in threads


def test_a_bare_strand_that_dies_is_noted_with_its_stack():
    alone = Alone()

    def fail():
        raise LookupError("mine")

    run_strands(alone, fail)
    (violation,) = alone.kernel.violations
    assert violation.startswith("thread fail died:")
    assert "LookupError: mine" in violation


def test_a_bare_strand_that_exits_dies_in_peace():
    alone = Alone()
    run_strands(alone, sys.exit)
    assert alone.kernel.violations == []


def test_joining_waits_for_a_thread_that_fails():
    alone = Alone()

    def fail():
        time.sleep(3)
        raise LookupError

    run_strands(alone, fail)
    assert alone.now_s == 3


def test_a_call_from_a_thread_out_of_control_is_noted():
    alone = Alone()
    errors = []

    def outside():
        try:
            alone.kernel.pause()
            alone.kernel.block("nothing")
        except RuntimeError as error:
            errors.append(str(error))

    alone.run(lambda: None)
    outside()
    assert errors == ["a thread that the simulation does not control called into it"]
    assert "in outside" in alone.kernel.violations[0]


@pytest.mark.parametrize(("step_ns", "came"), [(0, False), (100_000, True)])
def test_where_steps_take_time_what_is_due_comes_in_between(step_ns, came):
    alone = Alone()
    alone.kernel.step_ns = step_ns
    heard = []
    alone.at(1, lambda: heard.append(alone.now_s))

    def program():
        lock = threading.Lock()
        for _ in range(20):
            lock.acquire()
            lock.release()
        return bool(heard), time.monotonic() - began

    began = 0.0

    def timed():
        nonlocal began
        began = time.monotonic()
        return program()

    found, took_s = alone.run(timed)
    assert found is came
    assert (took_s > 0.001) is came
    assert len(heard) == came


@pytest.mark.parametrize("later_ns", [None, 60 * SECOND])
def test_a_cancelled_timer_that_is_due_brings_nothing_later_forward(later_ns):
    alone = Alone()
    alone.kernel.step_ns = 1_000
    came = []

    def program():
        timer = alone.kernel.call_at(1_000, lambda: came.append("cancelled"))
        timer.cancel()
        if later_ns is not None:
            alone.kernel.call_at(later_ns, lambda: came.append("later"))
        for _ in range(10):
            alone.kernel.pause()
        return alone.kernel.now_ns

    began = alone.kernel.now_ns
    assert alone.run(program) - began < SECOND
    assert came == []
    assert alone.kernel.stop_reason is None


def test_who_looks_again_and_again_lets_others_go_on_after_a_while():
    def program():
        lock, done = threading.Lock(), []

        def look():
            while not done:
                with lock:
                    pass

        def finish():
            time.sleep(0.001)
            done.append(True)

        threads = [threading.Thread(target=each) for each in (finish, look)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return done

    alone = Alone()
    alone.kernel.step_ns = 1_000
    assert alone.run(program) == [True]
    assert alone.kernel.steps < 50_000


def test_looking_at_the_clock_takes_time_where_steps_do():
    def program():
        return [time.monotonic_ns() for _ in range(3)]

    still = run_alone(program)
    assert len(set(still)) == 1
    alone = Alone()
    alone.kernel.step_ns = 1_000
    first, second, third = alone.run(program)
    assert (second - first, third - second) == (1_000, 1_000)
