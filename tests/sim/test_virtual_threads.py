"""What only the simulation promises of threads: timeouts that take just their time, one order of
those who wait, and locks that are real ones outside a trial."""

import contextlib
import os
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from alone import DAY_S, Alone, run_alone, start


def _held_lock():
    lock = threading.Lock()
    lock.acquire()
    return lock


def _waiting_in_a_condition(seconds):
    condition = threading.Condition()
    with condition:
        return condition.wait(seconds)


def _joining_a_sleeper(seconds):
    thread = threading.Thread(target=time.sleep, args=(DAY_S,), daemon=True)
    thread.start()
    thread.join(seconds)


def _executor_result(seconds):
    return ThreadPoolExecutor(1).submit(time.sleep, DAY_S).result(seconds)


WAITS = {
    "sleep": lambda seconds: time.sleep(seconds),
    "lock": lambda seconds: _held_lock().acquire(timeout=seconds),
    "rlock": lambda seconds: _taken_rlock().acquire(timeout=seconds),
    "condition": _waiting_in_a_condition,
    "event": lambda seconds: threading.Event().wait(seconds),
    "semaphore": lambda seconds: threading.Semaphore(0).acquire(timeout=seconds),
    "barrier": lambda seconds: threading.Barrier(2).wait(seconds),
    "queue": lambda seconds: queue.Queue().get(timeout=seconds),
    "simple-queue": lambda seconds: queue.SimpleQueue().get(timeout=seconds),
    "join": _joining_a_sleeper,
    "future": _executor_result,
}


def _taken_rlock():
    lock = threading.RLock()
    thread = threading.Thread(target=lock.acquire)
    thread.start()
    thread.join()
    return lock


@pytest.mark.parametrize("wait", WAITS.values(), ids=WAITS)
@pytest.mark.parametrize("seconds", [0, 0.25, 3600])
def test_a_timeout_takes_its_time_exactly(wait, seconds):
    def program():
        began = time.monotonic_ns()
        with contextlib.suppress(queue.Empty, threading.BrokenBarrierError, TimeoutError):
            wait(seconds)
        return (time.monotonic_ns() - began) / 1e9

    # Deadlines of `queue` and `threading` go through a float of some thousand seconds.
    assert run_alone(program) == pytest.approx(seconds, abs=1e-6)


def test_waiters_get_a_lock_first_come_first_served():
    def program():
        lock = _held_lock()
        order = []

        def wait(name):
            with lock:
                order.append(name)

        threads = [threading.Thread(target=wait, args=name) for name in "abcdef"]
        for thread in threads:
            thread.start()
            time.sleep(0.001)
        lock.release()
        for thread in threads:
            thread.join()
        return "".join(order)

    assert run_alone(program) == "abcdef"
    assert run_alone(program, seed=3) == "abcdef"


def test_who_gives_up_waiting_does_not_swallow_the_lock():
    """The first in the queue times out; a release then goes to the next."""

    def program():
        lock = _held_lock()
        got = []
        for name, timeout in (("hasty", 1), ("patient", 10)):
            wait = threading.Thread(
                target=lambda name=name, timeout=timeout: got.append(
                    (name, lock.acquire(timeout=timeout))
                )
            )
            wait.start()
        time.sleep(5)
        lock.release()
        wait.join()
        return got

    assert run_alone(program) == [("hasty", False), ("patient", True)]


def test_a_release_at_the_instant_of_the_timeout_loses_nothing():
    """Both are due at one instant: one of them comes first, and the lock is not lost."""

    def program():
        lock = _held_lock()
        got = []

        def wait():
            got.append(lock.acquire(timeout=2))

        def release():
            time.sleep(2)
            lock.release()

        threads = start(wait, release)
        for thread in threads:
            thread.join()
        return got[0] != lock.acquire(blocking=False)

    assert all(run_alone(program, seed=seed) for seed in (None, *range(10)))


def test_a_lock_of_a_trial_is_a_real_one_outside_of_it():
    """A module that is imported during a trial may keep one."""
    lock = run_alone(threading_lock)
    assert lock.acquire()
    assert not lock.acquire(blocking=False)
    assert not lock.acquire(timeout=0.01)
    threading.Timer(0.05, lock.release).start()
    with lock:
        assert lock.locked()


def test_a_lock_that_a_trial_left_held_is_named_outside_and_free_in_the_next():
    lock = run_alone(threading_lock)
    run_alone(lock.acquire)
    with pytest.raises(RuntimeError, match="of an ended trial is still held"):
        lock.acquire()
    assert run_alone(lambda: lock.acquire(timeout=1))


@pytest.mark.parametrize("make", ["Lock", "RLock"])
def test_a_lock_from_outside_is_of_the_kernel_in_a_trial(make):
    """A module's own lock, made when it is imported: waiting for it takes virtual time."""
    lock = getattr(threading, make)()

    def program():
        def hold():
            with lock:
                time.sleep(3)

        (thread,) = start(hold)
        time.sleep(1)
        with lock:
            waited = time.monotonic() - 1_000
        thread.join()
        return waited

    assert run_alone(program) == 3


def threading_lock():
    return threading.Lock()


def test_random_switches_come_between_two_uses_of_a_lock():
    """An update that is read under the lock and written under it, later: some seed loses one."""

    def program():
        lock, go = threading.Lock(), threading.Event()
        total = 0

        def add():
            nonlocal total
            go.wait()
            with lock:
                seen = total
            with lock:
                total = seen + 1

        threads = start(add, add)
        go.set()
        for thread in threads:
            thread.join()
        return total

    assert run_alone(program) == 2
    assert {run_alone(program, seed=seed) for seed in range(20)} == {1, 2}


def test_thread_names_are_the_same_in_every_trial():
    def program():
        with ThreadPoolExecutor(1) as pool:
            in_pool = pool.submit(threading.current_thread).result().name
        return [threading.Thread(target=int).name, in_pool]

    assert run_alone(program) == run_alone(program) == ["Thread-1 (int)", "ThreadPoolExecutor-0_0"]


def test_outside_a_trial_all_is_real():
    """The tests above would say little if the "real" world were the simulated one."""
    run_alone(int)
    seen = []
    thread = threading.Thread(target=lambda: seen.append(threading.get_ident()))
    thread.start()
    thread.join()
    assert not thread.is_alive()
    assert seen == [thread.ident]
    assert seen != [threading.get_ident()]
    times = os.times().elapsed
    time.sleep(0.02)
    assert os.times().elapsed - times >= 0.01


def test_a_trial_inside_a_trial_is_refused():
    with pytest.raises(RuntimeError, match="already running"):
        run_alone(lambda: Alone().run(int))


def test_a_lock_is_let_go_just_when_a_waiter_has_waited_long_enough():
    """Where steps take time, both can be due before the waiter goes on."""

    def program():
        lock, got = threading.Lock(), []
        lock.acquire()

        def wait():
            if lock.acquire(timeout=0.01):
                got.append(True)
                lock.release()
            else:
                got.append(False)

        threads = [threading.Thread(target=wait) for _ in range(4)]
        for thread in threads:
            thread.start()
        time.sleep(0.0098)
        for _ in range(8):
            threading.Lock().acquire()
        lock.release()
        for thread in threads:
            thread.join()
        assert not lock.locked()
        return tuple(got)

    found = set()
    for seed in range(60):
        alone = Alone(seed=seed)
        alone.kernel.step_ns = 20_000
        found.add(alone.run(program))
        assert alone.kernel.violations == []
    assert len(found) > 3
    assert {True, False} <= {each for got in found for each in got}
