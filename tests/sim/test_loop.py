"""The event loop: asyncio's own behaviour, on virtual time and the simulated network."""

import asyncio
import contextvars
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from alone import Alone, in_loop, run_alone

# -- time


def test_a_day_of_sleep_passes_in_virtual_time():
    async def program():
        loop = asyncio.get_running_loop()
        began = time.monotonic(), loop.time()
        await asyncio.sleep(80_000)
        return time.monotonic() - began[0], loop.time() - began[1]

    assert in_loop(program) == pytest.approx((80_000, 80_000))


@pytest.mark.parametrize("delay", [0.000_001, 0.001, 0.1, 1 / 3, 7, 3600.5])
def test_call_later_is_precise_and_never_early(delay):
    async def program():
        loop = asyncio.get_running_loop()
        called = loop.create_future()
        began = time.monotonic_ns()
        loop.call_later(delay, lambda: called.set_result(time.monotonic_ns() - began))
        return await called

    late_ns = in_loop(program) - delay * 1e9
    assert -1 <= late_ns <= 1_000


def test_calls_come_by_time():
    async def program():
        loop = asyncio.get_running_loop()
        order = []
        for delay, name in ((3, "d"), (1, "b"), (2, "c"), (0, "a")):
            loop.call_at(1_100 + delay, order.append, name)
        loop.call_soon(order.append, "soon")
        loop.call_later(0.5, order.append, "cancelled").cancel()
        await asyncio.sleep(200)
        return order

    assert in_loop(program) == ["soon", "a", "b", "c", "d"]


def test_a_waiting_loop_takes_no_steps():
    """Many virtual hours, few scheduling steps: the loop does not poll."""
    alone = Alone()
    alone.run(lambda: asyncio.run(asyncio.sleep(80_000)))
    assert alone.kernel.steps < 50


@pytest.mark.parametrize(
    ("seconds", "answer"), [(5, "TimeoutError at 5.0"), (20, "done at 10.0"), (0, "TimeoutError")]
)
@pytest.mark.parametrize("how", ["timeout", "wait_for"])
def test_timeouts_come_in_virtual_time(how, seconds, answer):
    async def work():
        await asyncio.sleep(10)
        return "done"

    async def limited():
        if how == "wait_for":
            return await asyncio.wait_for(work(), seconds)
        async with asyncio.timeout(seconds):
            return await work()

    async def program():
        began = time.monotonic()
        try:
            result = await limited()
        except TimeoutError:
            result = "TimeoutError"
        return f"{result} at {time.monotonic() - began:.1f}"

    assert in_loop(program).startswith(answer)


# -- running


def test_asyncio_run_gives_results_and_errors():
    async def fail():
        raise LookupError("it")

    async def give():
        return 7

    def program():
        with pytest.raises(LookupError, match="it"):
            asyncio.run(fail())
        return asyncio.run(give())

    assert run_alone(program) == 7


def test_loops_run_in_several_threads_at_once():
    def program():
        async def count(name, step):
            for _ in range(3):
                await asyncio.sleep(step)
                order.append(name)

        order = []
        threads = [
            threading.Thread(target=lambda args=args: asyncio.run(count(*args)))
            for args in (("a", 2.25), ("b", 3))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return "".join(order)

    # a at 2.25, 4.5 and 6.75; b at 3, 6 and 9.
    assert run_alone(program) == "ababab"


def test_a_runner_and_a_new_loop_are_simulated():
    async def sleep():
        await asyncio.sleep(3600)
        return type(asyncio.get_running_loop()._selector).__name__

    def program():
        with asyncio.Runner() as runner:
            first = runner.run(sleep())
        loop = asyncio.new_event_loop()
        try:
            return first, loop.run_until_complete(sleep())
        finally:
            loop.close()

    assert run_alone(program) == ("SimSelector", "SimSelector")


def test_loops_outside_a_trial_are_real():
    async def kind():
        return type(asyncio.get_running_loop()._selector).__name__

    assert in_loop(kind) == "SimSelector"
    assert asyncio.run(kind()) == "EpollSelector"


# -- threads and the loop


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_call_soon_threadsafe_wakes_a_loop_that_waits(seed):
    def program():
        async def wait():
            future = asyncio.get_running_loop().create_future()
            box.append((asyncio.get_running_loop(), future))
            ready.set()
            return await future, time.monotonic() - 1000

        def run():
            results.append(asyncio.run(wait()))

        box, results, ready = [], [], threading.Event()
        thread = threading.Thread(target=run)
        thread.start()
        ready.wait()
        time.sleep(5)
        loop, future = box[0]
        loop.call_soon_threadsafe(future.set_result, "woken")
        thread.join()
        return results[0]

    assert run_alone(program, seed=seed) == ("woken", 5)


def test_call_soon_from_another_thread_wakes_nobody():
    """What makes a client's mistake (call_soon instead of call_soon_threadsafe) visible."""

    def program():
        async def wait():
            box.append((asyncio.get_running_loop(), asyncio.get_running_loop().create_future()))
            await box[0][1]

        box = []
        thread = threading.Thread(target=lambda: asyncio.run(wait()), daemon=True)
        thread.start()
        time.sleep(5)
        loop, future = box[0]
        loop.call_soon(future.set_result, None)
        thread.join(60)
        return thread.is_alive()

    assert run_alone(program) is True


def test_call_soon_threadsafe_after_the_loop_has_closed_is_refused():
    def program():
        async def give():
            return asyncio.get_running_loop()

        loop = asyncio.run(give())
        with pytest.raises(RuntimeError, match="closed"):
            loop.call_soon_threadsafe(int)
        return True

    assert run_alone(program)


@pytest.mark.parametrize("seed", [None, 4])
def test_to_thread_runs_beside_the_loop(seed):
    variable = contextvars.ContextVar("variable")

    def work():
        time.sleep(10)
        return threading.current_thread() is not main, variable.get()

    async def program():
        nonlocal main
        main = threading.current_thread()
        variable.set("kept")
        ticks = []

        async def tick():
            for _ in range(3):
                await asyncio.sleep(2)
                ticks.append(time.monotonic() - 1000)

        result, _ = await asyncio.gather(asyncio.to_thread(work), tick())
        return result, [round(at) for at in ticks], round(time.monotonic() - 1000)

    main = None
    assert in_loop(program, seed=seed) == ((True, "kept"), [2, 4, 6], 10)


def test_run_in_executor_uses_the_one_it_is_given():
    async def program():
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(2, thread_name_prefix="mine") as pool:
            work = [loop.run_in_executor(pool, time.sleep, 4) for _ in range(4)]
            name = await loop.run_in_executor(pool, lambda: threading.current_thread().name)
            await asyncio.gather(*work)
        return name.partition("_")[0], round(time.monotonic() - 1000)

    assert in_loop(program) == ("mine", 8)


def test_an_error_in_a_thread_comes_back():
    def fail():
        raise LookupError("it")

    async def program():
        with pytest.raises(LookupError, match="it"):
            await asyncio.to_thread(fail)
        return True

    assert in_loop(program)


def test_run_coroutine_threadsafe_gives_its_result_to_a_thread():
    async def seven():
        await asyncio.sleep(3)
        return 7

    async def program():
        loop = asyncio.get_running_loop()
        return await asyncio.to_thread(
            lambda: asyncio.run_coroutine_threadsafe(seven(), loop).result(10)
        )

    assert in_loop(program) == 7


# -- cancellation


def test_tasks_left_at_the_end_are_cancelled_in_the_order_of_their_making():
    """asyncio keeps them in a set, in whose order it cancels them: it differs by address."""

    async def program():
        order = []

        async def stay(number):
            try:
                await asyncio.sleep(3600)
            finally:
                order.append(number)

        orders.append(order)
        tasks = [asyncio.create_task(stay(number)) for number in range(50)]
        await asyncio.sleep(1)
        return len(tasks)

    orders = []
    for _ in range(3):
        in_loop(program)
    assert orders == [list(range(50))] * 3


def ballast(count):
    """Objects of many sizes, some of them freed: other addresses for what comes next."""
    return [bytearray(size % 700) for size in range(count)][::3]


def orders_of(program, times=12):
    """The answers of as many trials, each with another memory layout."""
    found, kept = [], []
    for number in range(times):
        kept.append(ballast(number * 37))
        found.append(in_loop(program))
    return found


@pytest.mark.parametrize("names", [None, "all the same"])
def test_a_task_group_cancels_its_tasks_in_the_same_order_each_time(names):
    """It keeps them in a set, too."""

    async def program():
        order = []

        async def stay(number):
            try:
                await asyncio.sleep(3600)
            finally:
                order.append(number)

        async def fail():
            await asyncio.sleep(1)
            raise LookupError

        async def work():
            async with asyncio.TaskGroup() as group:
                for number in range(20):
                    group.create_task(stay(number), name=names)
                group.create_task(fail())

        with pytest.raises(ExceptionGroup):
            await work()
        return order

    first, *others = orders_of(program)
    assert sorted(first) == list(range(20))
    assert all(other == first for other in others)


def test_tasks_of_one_name_are_cancelled_in_the_same_order_each_time():
    async def program():
        order = []

        async def stay(number):
            try:
                await asyncio.sleep(3600)
            finally:
                order.append(number)

        orders.append(order)
        kept.append([asyncio.create_task(stay(number), name="the same") for number in range(20)])
        await asyncio.sleep(1)

    orders, kept = [], []
    orders_of(program)
    assert orders == [list(range(20))] * len(orders)


def test_what_asyncio_wait_gives_has_the_same_order_each_time():
    async def program():
        tasks = [asyncio.create_task(asyncio.sleep(1, number)) for number in range(20)]
        done, _ = await asyncio.wait(tasks)
        return [task.result() for task in done]

    first, *others = orders_of(program)
    assert all(other == first for other in others)


def test_an_executor_ends_its_threads_in_the_same_order_each_time():
    """`shutdown` joins them in the order of a set."""

    def digest():
        def program():
            pool = ThreadPoolExecutor(8)
            for number in range(8):
                pool.submit(time.sleep, 1 + number / 10)
            pool.shutdown()

        alone = Alone(seed=1)
        alone.run(program)
        return alone.kernel.trace.digest()

    kept, digests = [], []
    for number in range(12):
        kept.append(ballast(number * 37))
        digests.append(digest())
    assert len(set(digests)) == 1


def test_a_cancelled_task_cleans_up_in_virtual_time():
    async def program():
        times = []

        async def work():
            try:
                await asyncio.sleep(3600)
            finally:
                times.append(time.monotonic() - 1000)
                await asyncio.sleep(5)
                times.append(time.monotonic() - 1000)

        task = asyncio.create_task(work())
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return times, task.cancelled()

    times, cancelled = in_loop(program)
    assert times == pytest.approx([1, 6])
    assert cancelled
