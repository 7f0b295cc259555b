"""What ordinary code sees of threads: the same in a trial as under the real `threading`.

Most tests here are small programs with one right answer, which is asked for three times: of real
threads, of the simulation, and of the simulation with random switches.
"""

import contextvars
import queue
import threading
import time
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor

import pytest
from alone import run_alone, start

SOON = 0.02
"""Seconds of a timeout that is going to expire: all the real time that is spent here."""
LONG = 60
"""Seconds of a timeout that is not."""

PROGRAMS = []


def answers(answer):
    """The decorated program gives this answer, whatever world it runs in."""

    def register(program):
        PROGRAMS.append(pytest.param(program, answer, id=program.__name__))
        return program

    return register


def error_of(action, *arguments, **options):
    """The error of a call, as its class and words."""
    try:
        action(*arguments, **options)
    except Exception as error:
        return f"{type(error).__name__}: {error}".rstrip(": ")
    return None


def kind_of_error(action, *arguments, **options):
    """Only its class, where the words differ between versions of Python."""
    return (error_of(action, *arguments, **options) or "").partition(":")[0]


def in_thread(action, *arguments):
    """What a call gives when another thread makes it."""
    given = []
    (thread,) = start(lambda: given.append(action(*arguments)))
    thread.join()
    return given[0]


# -- waits that round to nothing


def until_over(seconds, wait):
    """How often code waits that waits for what is left of a time; it must end."""
    until = time.monotonic() + seconds
    times = 0
    while (left := until - time.monotonic()) > 0:
        wait(left)
        times += 1
        assert times < 100_000, "no time passes"
    return True


TINY = [1e-3, 1e-9, 4e-10, 1e-10, 1e-12]
"""Seconds. Less than half a nanosecond rounds to none."""


@answers([False] * len(TINY))
def tiny_waits_for_a_condition_end():
    condition = threading.Condition()
    with condition:
        return [condition.wait(seconds) for seconds in TINY]


@answers([False] * len(TINY))
def tiny_waits_for_a_predicate_end():
    condition = threading.Condition()
    with condition:
        return [condition.wait_for(lambda: False, seconds) for seconds in TINY]


@answers([False] * len(TINY))
def tiny_waits_for_a_lock_end():
    lock = threading.Lock()
    lock.acquire()
    return [lock.acquire(timeout=seconds) for seconds in TINY]


@answers(["Empty"] * len(TINY))
def tiny_waits_for_a_queue_end():
    empty = queue.Queue()
    return [kind_of_error(empty.get, True, seconds) for seconds in TINY]


@answers([None] * len(TINY))
def tiny_sleeps_end():
    return [time.sleep(seconds) for seconds in TINY]


@answers([True] * 3)
def waiting_for_the_rest_of_a_time_ends():
    """Where it is summed up in fractions, the rest is now and then below a nanosecond."""
    lock, condition = threading.Lock(), threading.Condition()
    lock.acquire()
    with condition:
        return [
            until_over(SOON, lambda left: lock.acquire(timeout=min(left, SOON / 7))),
            until_over(SOON, lambda left: condition.wait(min(left, SOON / 7))),
            until_over(SOON, lambda left: time.sleep(min(left, SOON / 7))),
        ]


def test_any_positive_wait_lets_time_pass_and_none_does_not():
    """With real clocks it does anyway; on virtual time it has to be seen to."""

    def program():
        lock, condition = threading.Lock(), threading.Condition()
        lock.acquire()
        passed = []
        for wait in (
            lambda seconds: lock.acquire(timeout=seconds),
            lambda seconds: condition.wait(seconds),
            time.sleep,
            lambda seconds: threading.Event().wait(seconds),
            lambda seconds: kind_of_error(queue.Queue().get, True, seconds),
        ):
            for seconds in (1e-10, 0):
                before = time.monotonic_ns()
                with condition:
                    wait(seconds)
                passed.append(time.monotonic_ns() - before)
        return passed

    assert run_alone(program) == [1, 0] * 5


# -- Lock and RLock


@answers([True, True, False, False, False, None, False, True])
def lock_is_taken_once():
    lock = threading.Lock()
    return [
        lock.acquire(),
        lock.locked(),
        lock.acquire(blocking=False),
        lock.acquire(timeout=SOON),
        lock.acquire(timeout=0),
        lock.release(),
        lock.locked(),
        lock.acquire(timeout=LONG),
    ]


@answers(
    [
        "RuntimeError: release unlocked lock",
        "ValueError: can't specify a timeout for a non-blocking call",
        "ValueError",
        "TypeError",
        None,
    ]
)
def lock_refuses_what_makes_no_sense():
    lock = threading.Lock()
    return [
        error_of(lock.release),
        error_of(lock.acquire, False, 1),
        kind_of_error(lock.acquire, True, -2),
        kind_of_error(lock.acquire, True, "1"),
        error_of(lock.acquire, True, -1),
    ]


@answers((False, [True, False]))
def lock_is_released_by_with_also_upon_an_error():
    lock = threading.Lock()
    seen = []
    try:
        with lock:
            seen.append(lock.locked())
            raise LookupError
    except LookupError:
        seen.append(lock.locked())
    return lock.locked(), seen


@answers([False, None, True])
def lock_may_be_released_by_another_thread():
    lock = threading.Lock()
    lock.acquire()
    return [in_thread(lock.acquire, False), in_thread(lock.release), lock.acquire(False)]


@answers(["waits", "released", "got it"])
def lock_is_handed_to_the_one_who_waits():
    lock = threading.Lock()
    lock.acquire()
    waits = threading.Event()
    seen = []

    def wait():
        seen.append("waits")
        waits.set()
        if lock.acquire(timeout=LONG):
            seen.append("got it")

    (thread,) = start(wait)
    waits.wait()
    seen.append("released")
    lock.release()
    thread.join()
    return seen


@answers(400)
def lock_makes_an_update_whole():
    lock = threading.Lock()
    total = 0

    def add():
        nonlocal total
        for _ in range(100):
            with lock:
                seen = total
                with threading.Lock():
                    pass
                total = seen + 1

    for thread in start(*[add] * 4):
        thread.join()
    return total


@answers([True, True, False, None, False, None, True])
def rlock_is_taken_again_by_its_owner_only():
    lock = threading.RLock()
    return [
        bool(lock.acquire()),
        bool(lock.acquire(timeout=SOON)),
        bool(in_thread(lock.acquire, False)),
        lock.release(),
        bool(in_thread(lock.acquire, True, SOON)),
        lock.release(),
        bool(in_thread(lock.acquire, False)),
    ]


@answers(["RuntimeError: cannot release un-acquired lock"] * 2)
def rlock_is_released_by_its_owner_only():
    lock = threading.RLock()
    free = error_of(lock.release)
    with lock:
        return [free, in_thread(error_of, lock.release)]


# -- Condition, Event, Semaphore, Barrier


@answers([False, False, True, None, "RuntimeError: cannot wait on un-acquired lock"])
def condition_waits_no_longer_than_told():
    condition = threading.Condition()
    with condition:
        timed_out = condition.wait(SOON)
        false = condition.wait_for(lambda: False, SOON)
        true = condition.wait_for(lambda: True, SOON)
        alone = condition.notify()
    return [timed_out, false, true, alone, error_of(condition.wait)]


@answers([1, 3])
def condition_wakes_as_many_as_told():
    condition = threading.Condition()
    waiting, woken = threading.Semaphore(0), threading.Semaphore(0)

    def wait():
        with condition:
            waiting.release()
            condition.wait()
        woken.release()

    threads = start(*[wait] * 4)
    for _ in threads:
        waiting.acquire()
    with condition:
        condition.notify(1)
    woken.acquire()
    first = 1 + woken.acquire(timeout=SOON)
    with condition:
        condition.notify_all()
    for thread in threads:
        thread.join()
    return [first, sum(woken.acquire(timeout=SOON) for _ in range(4))]


@answers([False, True, True, True, False])
def event_waits_until_it_is_set():
    event = threading.Event()
    seen = [event.wait(SOON)]
    (thread,) = start(event.set)
    seen += [event.wait(LONG), event.is_set(), event.wait(0)]
    thread.join()
    event.clear()
    return [*seen, event.wait(0)]


@answers([True, True, False, False, True, "ValueError: Semaphore released too many times"])
def semaphore_counts():
    semaphore = threading.BoundedSemaphore(2)
    seen = [
        semaphore.acquire(),
        semaphore.acquire(timeout=LONG),
        semaphore.acquire(blocking=False),
        semaphore.acquire(timeout=SOON),
    ]
    semaphore.release(2)
    seen.append(semaphore.acquire())
    semaphore.release()
    return [*seen, error_of(semaphore.release)]


@answers([[0, 1, 2], 0, ["BrokenBarrierError", True, False]])
def barrier_opens_for_all_or_breaks():
    barrier = threading.Barrier(3)
    places = []
    for thread in start(*[lambda: places.append(barrier.wait(LONG))] * 3):
        thread.join()
    alone = [error_of(barrier.wait, SOON), barrier.broken]
    barrier.reset()
    return [sorted(places), barrier.n_waiting, [*alone, barrier.broken]]


# -- queues


@answers(["Empty", "Empty", None, None, "Full", "Full", 1, 2, True])
def queue_waits_no_longer_than_told():
    box = queue.Queue(maxsize=2)
    return [
        error_of(box.get, timeout=SOON),
        error_of(box.get_nowait),
        box.put(1),
        box.put(2, timeout=LONG),
        error_of(box.put, 3, timeout=SOON),
        error_of(box.put_nowait, 3),
        box.get(timeout=LONG),
        box.get(),
        box.empty(),
    ]


@answers(list(range(50)))
def queue_keeps_its_order_between_threads():
    box = queue.Queue(maxsize=3)
    (thread,) = start(lambda: [box.put(number) for number in range(50)])
    got = [box.get(timeout=LONG) for _ in range(50)]
    thread.join()
    return got


@answers([[1, 2, 3], [3, 1, 2]])
def queues_of_other_orders_keep_theirs():
    by_size, last_first = queue.PriorityQueue(), queue.LifoQueue()
    for number in (2, 1, 3):
        by_size.put(number)
        last_first.put(number)
    return [[box.get() for _ in range(3)] for box in (by_size, last_first)]


@answers([6, "ValueError: task_done() called too many times"])
def queue_join_waits_for_the_work():
    box = queue.Queue()
    done = []

    def work():
        for _ in range(3):
            number = box.get()
            done.append(number)
            box.task_done()

    for number in (1, 2, 3):
        box.put(number)
    (thread,) = start(work)
    box.join()
    total = sum(done)
    thread.join()
    return [total, error_of(box.task_done)]


@answers(["Empty", "Empty", None, 1, 0, True, [0, 1, 2]])
def simple_queue_works_alike():
    box = queue.SimpleQueue()
    seen = [error_of(box.get, timeout=SOON), error_of(box.get_nowait), box.put("a"), box.qsize()]
    box.get(timeout=LONG)
    seen += [box.qsize(), box.empty()]
    (thread,) = start(lambda: [box.put(number) for number in range(3)])
    seen.append([box.get() for _ in range(3)])
    thread.join()
    return seen


# -- threads


@answers([False, True, True, True, False, False])
def thread_lives_until_it_ends():
    go = threading.Event()
    thread = threading.Thread(target=go.wait)
    seen = [thread.is_alive()]
    thread.start()
    seen.append(thread.is_alive())
    thread.join(SOON)
    seen.append(thread.is_alive())
    thread.join(0)
    seen.append(thread.is_alive())
    go.set()
    thread.join(LONG)
    seen.append(thread.is_alive())
    thread.join()
    return [*seen, thread in threading.enumerate()]


@answers(
    [
        "RuntimeError: cannot join thread before it is started",
        "RuntimeError: cannot join current thread",
        "RuntimeError: threads can only be started once",
    ]
)
def thread_refuses_what_makes_no_sense():
    thread = threading.Thread(target=int)
    too_early = error_of(thread.join)
    own = in_thread(lambda: error_of(threading.current_thread().join))
    thread.start()
    thread.join()
    return [too_early, own, error_of(thread.start)]


@answers(["ran", "worker", True, True, True, True])
def thread_knows_itself():
    seen = []

    class Worker(threading.Thread):
        def run(self):
            seen.extend(["ran", self.name, threading.current_thread() is self])
            seen.append(self.ident == threading.get_ident() and self in threading.enumerate())

    worker = Worker(name="worker", daemon=True)
    worker.start()
    worker.join()
    main = threading.current_thread() is threading.main_thread()
    return [*seen, worker.daemon, main and worker.ident != threading.get_ident()]


@answers([2, 1])
def threads_are_counted():
    others = threading.active_count() - 1
    go = threading.Event()
    (thread,) = start(go.wait)
    two = threading.active_count() - others
    go.set()
    thread.join()
    return [two, threading.active_count() - others]


@answers(["main", "AttributeError", "thread", "main"])
def local_belongs_to_one_thread():
    local = threading.local()
    local.name = "main"

    def other():
        before = kind_of_error(lambda: local.name)
        local.name = "thread"
        return [before, local.name]

    return [local.name, *in_thread(other), local.name]


@answers(["unset", "set"])
def context_belongs_to_one_thread():
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("set")
    return [in_thread(variable.get), variable.get()]


@answers([["LookupError", "it"], False])
def thread_tells_the_hook_what_it_died_of():
    told = []
    hook = threading.excepthook
    threading.excepthook = lambda args: told.extend([args.exc_type.__name__, str(args.exc_value)])

    def fail():
        raise LookupError("it")

    try:
        (thread,) = start(fail)
        thread.join()
    finally:
        threading.excepthook = hook
    return [told, thread.is_alive()]


@answers([["fired"], []])
def timer_fires_unless_it_is_cancelled():
    fired, cancelled = [], []
    timer = threading.Timer(SOON, fired.append, ["fired"])
    timer.start()
    other = threading.Timer(LONG, cancelled.append, ["fired"])
    other.start()
    other.cancel()
    timer.join()
    other.join()
    return [fired, cancelled]


# -- executors


@answers([[0, 1, 4, 9], 7, "LookupError: it", "RuntimeError"])
def executor_gives_results_in_order_and_errors():
    def fail():
        raise LookupError("it")

    with ThreadPoolExecutor(2) as pool:
        squares = list(pool.map(lambda number: number**2, range(4)))
        seven, failing = pool.submit(lambda: 7), pool.submit(fail)
        seen = [squares, seven.result(), error_of(failing.result, LONG)]
    after = kind_of_error(pool.submit, int)
    return [*seen, after]


@answers(["TimeoutError", 1, True, "CancelledError", "done"])
def executor_waits_no_longer_than_told():
    go = threading.Event()
    pool = ThreadPoolExecutor(1)
    first, second = pool.submit(lambda: go.wait() and "done"), pool.submit(int)
    late = error_of(first.result, SOON)
    finished, pending = futures.wait([first, second], timeout=SOON)
    cancelled = second.cancel()
    go.set()
    pool.shutdown()
    gone = kind_of_error(second.result)
    return [late, len(pending) - len(finished) - 1, cancelled, gone, first.result()]


@answers([[1, 2, 3], 3])
def executor_completes_as_results_come():
    gates = [threading.Event() for _ in range(3)]
    with ThreadPoolExecutor(3) as pool:
        work = {pool.submit(gate.wait): number for number, gate in enumerate(gates, 1)}
        order = []
        gates[0].set()
        for future in futures.as_completed(work):
            order.append(work[future])
            if len(order) < 3:
                gates[len(order)].set()
    return [order, len(work)]


@answers([0, True])
def executor_of_a_trial_ends_with_its_shutdown():
    before = threading.active_count()
    pool = ThreadPoolExecutor(4)
    list(pool.map(int, range(10)))
    pool.shutdown(wait=True)
    return [threading.active_count() - before, pool._shutdown]


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(lambda program: program(), id="real"),
        pytest.param(run_alone, id="sim"),
        pytest.param(lambda program: run_alone(program, seed=11), id="sim-switching"),
    ],
)
@pytest.mark.parametrize(("program", "answer"), PROGRAMS)
def test_a_program_gives_the_same_answer_in_every_world(program, answer, world):
    assert world(program) == answer
