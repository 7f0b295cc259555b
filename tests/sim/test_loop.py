"""The event loop: asyncio's own behaviour, on virtual time and the simulated network."""

import asyncio
import contextvars
import itertools
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from alone import Alone, run_alone
from sim_rig import both

from race_harness.model.errors import WorldBroken
from race_harness.network.site import PORT

HOST = "127.0.0.1"


def in_loop(coroutine_function, **options):
    return run_alone(lambda: asyncio.run(coroutine_function()), **options)


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


# -- connections


class Note(asyncio.Protocol):
    """Notes what it is told."""

    def __init__(self, notes):
        self.notes = notes

    def connection_made(self, transport):
        self.transport = transport
        self.notes.append("made")

    def data_received(self, data):
        self.notes.append(bytes(data))

    def eof_received(self):
        self.notes.append("eof")

    def connection_lost(self, error):
        self.notes.append(f"lost {type(error).__name__}")


async def pair(loop, client, server, pause_s=1.0):
    """Connect two protocols; the client's transport."""
    await loop.create_server(lambda: server, HOST, PORT)
    transport, _ = await loop.create_connection(lambda: client, HOST, PORT)
    await asyncio.sleep(pause_s)
    return transport


def test_create_connection_returns_only_after_connection_made():
    async def program():
        loop = asyncio.get_running_loop()
        client, server = Note([]), Note([])
        await loop.create_server(lambda: server, HOST, PORT)
        transport, protocol = await loop.create_connection(lambda: client, HOST, PORT)
        return protocol is client, client.notes, client.transport is transport, server.notes

    # The server's accept comes half a round trip later.
    assert in_loop(program) == (True, ["made"], True, [])


def test_bytes_that_come_before_the_accept_are_not_lost():
    async def program():
        loop = asyncio.get_running_loop()
        client, server = Note([]), Note([])
        await loop.create_server(lambda: server, HOST, PORT)
        transport, _ = await loop.create_connection(lambda: client, HOST, PORT)
        transport.write(b"early")
        transport.close()
        await asyncio.sleep(1)
        return server.notes, client.notes

    server, client = in_loop(program, network=both(100))
    assert server == ["made", b"early", "eof", "lost NoneType"]
    assert client == ["made", "lost NoneType"]


def test_nobody_listening_is_a_refused_connection():
    async def program():
        with pytest.raises(ConnectionRefusedError) as refused:
            await asyncio.get_running_loop().create_connection(lambda: Note([]), HOST, PORT)
        return refused.value.errno

    assert in_loop(program) == 111


def test_a_connection_that_is_given_up_is_closed():
    """As if the handshake ended after the client had lost interest: the server sees the end."""

    async def program():
        loop = asyncio.get_running_loop()
        server = Note([])
        await loop.create_server(lambda: server, HOST, PORT)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await loop.create_connection(lambda: Note([]), HOST, PORT)
        await asyncio.sleep(10)
        return server.notes

    assert in_loop(program, network=both(800)) == ["made", "eof", "lost NoneType"]


@pytest.mark.parametrize("how", ["close", "abort", "reset"])
def test_both_ends_hear_of_the_end(how):
    alone = Alone()

    async def program():
        client, server = Note([]), Note([])
        transport = await pair(asyncio.get_running_loop(), client, server)
        transport.write(b"data")
        if how == "reset":
            alone.network.connections[0].reset()
        else:
            getattr(transport, how)()
        transport.write(b"too late")
        await asyncio.sleep(1)
        return client.notes[1:], server.notes[1:], transport.is_closing()

    client, server, closing = alone.run(lambda: asyncio.run(program()))
    if how == "reset":
        assert client == server == ["lost ConnectionResetError"]
    else:
        assert client == ["lost NoneType"]
        assert server == [b"data", "eof", "lost NoneType"]
    assert closing


def test_a_paused_reader_gets_its_bytes_later_and_in_order():
    async def program():
        client, server = Note([]), Note([])
        transport = await pair(asyncio.get_running_loop(), client, server)
        server.transport.pause_reading()
        for data in (b"a", b"b"):
            transport.write(data)
        await asyncio.sleep(1)
        paused = list(server.notes)
        reading = server.transport.is_reading()
        server.transport.resume_reading()
        transport.write(b"c")
        await asyncio.sleep(1)
        return paused, reading, server.notes

    assert in_loop(program) == (["made"], False, ["made", b"ab", b"c"])


def test_a_new_protocol_gets_the_bytes_after_the_upgrade():
    """As uvicorn does when HTTP becomes a WebSocket."""

    async def program():
        notes = []

        class Upgrading(Note):
            def data_received(self, data):
                super().data_received(data)
                self.transport.set_protocol(Note(notes))

        client, server = Note([]), Upgrading([])
        transport = await pair(asyncio.get_running_loop(), client, server)
        transport.write(b"upgrade")
        transport.write(b"frame")
        await asyncio.sleep(1)
        return server.notes, notes

    assert in_loop(program) == (["made", b"upgrade"], [b"frame"])


def test_addresses_are_those_of_the_connection():
    async def program():
        client, server = Note([]), Note([])
        transport = await pair(asyncio.get_running_loop(), client, server)
        names = ("sockname", "peername")
        return [
            end.get_extra_info(name) for end in (transport, server.transport) for name in names
        ]

    ours, theirs, their_own, their_peer = in_loop(program)
    assert theirs == their_own == (HOST, PORT)
    assert ours == their_peer


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"host": "example.com", "port": 80}, "a name look-up of 'example.com'"),
        ({"host": "10.1.2.3", "port": 80}, "a connection to 10.1.2.3:80"),
        ({"host": HOST, "port": PORT, "ssl": True}, "TLS"),
    ],
    ids=["another host", "another address", "TLS"],
)
def test_a_connection_to_anywhere_else_is_refused(where, says):
    alone = Alone()

    async def program():
        loop = asyncio.get_running_loop()
        await loop.create_server(lambda: Note([]), HOST, PORT)
        with pytest.raises((WorldBroken, OSError)):
            await loop.create_connection(lambda: Note([]), **where)

    alone.run(lambda: asyncio.run(program()))
    assert alone.kernel.violations[0].startswith(says)


def test_a_closed_listener_refuses():
    async def program():
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Note([]), HOST, PORT)
        server.close()
        with pytest.raises(ConnectionRefusedError):
            await loop.create_connection(lambda: Note([]), HOST, PORT)
        return True

    assert in_loop(program)


def test_the_order_of_a_busy_loop_is_the_same_each_time():
    """Tasks, threads and timers in a mix: equal digests for a seed, others for another."""

    async def program():
        queue = asyncio.Queue()

        async def produce(name):
            for number in range(5):
                await queue.put((name, number))
                await asyncio.to_thread(time.sleep, 0.001)

        async def consume():
            return [await queue.get() for _ in range(15)]

        _, got = await asyncio.gather(asyncio.gather(*map(produce, "abc")), consume())
        return got

    def run(seed):
        alone = Alone(seed=seed)
        got = alone.run(lambda: asyncio.run(program()))
        return got, alone.kernel.trace.digest()

    runs = [run(seed) for seed in (None, 1, 2, 3)]
    assert runs == [run(seed) for seed in (None, 1, 2, 3)]
    for one, other in itertools.combinations(runs, 2):
        assert one[1] != other[1]
