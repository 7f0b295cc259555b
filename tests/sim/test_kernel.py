"""The kernel: one thread at a time, in an order that is decided, on virtual time."""

import threading
import time

import pytest
from alone import Alone, run_alone, run_strands

from race_harness.sim.kernel import SECOND

# -- time


def test_hours_of_sleep_pass_in_virtual_time():
    def program():
        began = time.monotonic(), time.perf_counter(), time.time(), time.monotonic_ns()
        time.sleep(10 * 3600)
        ended = time.monotonic(), time.perf_counter(), time.time(), time.monotonic_ns()
        return [end - start for start, end in zip(began, ended, strict=True)]

    *seconds, nanoseconds = run_alone(program)
    assert seconds == [36_000, 36_000, 36_000]
    assert nanoseconds == 36_000 * SECOND


def test_time_stands_still_while_a_thread_works():
    def program():
        began = time.monotonic_ns()
        sum(range(100_000))
        return time.monotonic_ns() - began

    assert run_alone(program) == 0


def test_every_trial_begins_at_the_same_instant():
    def program():
        return time.time(), time.monotonic(), time.perf_counter()

    assert run_alone(program) == run_alone(program)


def test_timers_fire_by_time_and_at_one_instant_in_the_order_of_their_setting():
    alone = Alone()
    fired = []
    for at_ms, name in ((5, "late"), (1, "first"), (1, "second"), (0, "now"), (1, "third")):
        alone.at(at_ms, lambda name=name: fired.append(name))
    alone.run(lambda: time.sleep(1))
    assert fired == ["now", "first", "second", "third", "late"]


def test_a_timer_set_for_the_past_fires_without_turning_time_back():
    alone = Alone()
    fired = []

    def program():
        time.sleep(2)
        alone.at(1_000, lambda: fired.append(alone.now_s))
        time.sleep(1)

    alone.run(program)
    assert fired == [2]
    assert alone.now_s == 3


def test_a_cancelled_timer_never_fires():
    alone = Alone()
    fired = []

    def program():
        timer = alone.kernel.call_at(SECOND, lambda: fired.append("cancelled"))
        alone.kernel.call_at(SECOND, lambda: fired.append("kept"))
        timer.cancel()
        time.sleep(2)

    alone.run(program)
    assert fired == ["kept"]


def test_threads_that_wake_at_one_instant_do_so_in_the_order_of_going_to_sleep():
    alone = Alone()
    order = []

    def sleeper(name):
        def body():
            time.sleep(1)
            order.append(name)

        return body

    run_strands(alone, *(sleeper(name) for name in "abcd"))
    assert order == list("abcd")


# -- who goes on


def test_without_a_seed_a_thread_runs_until_it_blocks():
    alone = Alone()
    order = []

    def worker(name):
        def body():
            for _ in range(3):
                order.append(name)
                alone.kernel.pause()

        return body

    run_strands(alone, *(worker(name) for name in "abc"))
    assert order == list("aaabbbccc")


def _walk(seed):
    """The order in which three threads get to take their steps."""
    alone = Alone(seed=seed)
    order = []

    def worker(name):
        def body():
            for _ in range(8):
                order.append(name)
                alone.kernel.pause()

        return body

    run_strands(alone, *(worker(name) for name in "abc"))
    assert sorted(order) == sorted("abc" * 8)
    return "".join(order), alone.kernel.trace.digest()


def test_a_random_walk_is_the_same_for_the_same_seed():
    assert _walk(7) == _walk(7)


def test_random_walks_differ_between_seeds():
    """Beside the test above: the scheduler is not deterministic by having nothing to decide."""
    walks = [_walk(seed) for seed in range(20)]
    assert len({order for order, _ in walks}) == 20
    assert len({digest for _, digest in walks}) == 20


def test_a_random_walk_finds_a_lost_update_that_running_until_blocked_cannot():
    def counted(seed):
        alone = Alone(seed=seed)
        total = 0

        def add():
            nonlocal total
            seen = total
            alone.kernel.pause()
            total = seen + 1

        run_strands(alone, add, add)
        return total

    assert counted(None) == 2
    assert {counted(seed) for seed in range(20)} == {1, 2}


def test_only_one_thread_runs_at_a_time():
    """Without any lock, and with work that a real switch interval would interrupt."""

    def program():
        inside = []
        most = 0

        def work():
            nonlocal most
            for _ in range(20):
                inside.append(None)
                most = max(most, len(inside))
                sum(range(20_000))
                inside.pop()
                time.sleep(0)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return most

    assert run_alone(program, seed=3) == 1


# -- somebody who looks


def test_while_somebody_looks_no_other_thread_goes_on_and_no_time_passes():
    alone = Alone(seed=3)
    went_on = []

    def program():
        kernel = alone.kernel
        kernel.step_ns = 1_000
        kernel.spawn(lambda: went_on.append(1), "other")
        kernel.frozen = True
        began = kernel.now_ns
        for _ in range(20):
            kernel.pause()
            kernel.read_clock()
        with pytest.raises(RuntimeError, match="time stands still, and this would wait: sleep"):
            time.sleep(1)
        seen = list(went_on), kernel.now_ns - began
        kernel.frozen = False
        time.sleep(1)
        return seen

    assert alone.run(program) == ([], 0)
    assert went_on == [1]


def test_who_cannot_go_on_is_told_of_before_the_end():
    alone = Alone()
    told = []
    alone.kernel.on_stop = lambda reason: told.append((reason, alone.kernel.stop_reason))
    alone.run(lambda: alone.kernel.block("nothing"))
    assert told == [("deadlock: every thread waits and no timer is left", None)]


def test_strands_of_one_name_are_told_apart():
    alone = Alone()
    names = []

    def program():
        strands = [alone.kernel.spawn(lambda: None, "voter") for _ in range(2)]
        names.extend(alone.kernel.name_of(one) for one in alone.kernel.strands)
        for strand in strands:
            alone.kernel.join(strand)

    alone.run(program)
    assert names == ["MainThread", "voter", "voter [2]"]
