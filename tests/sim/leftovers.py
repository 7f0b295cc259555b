"""Threads that are still there when a trial ends, in every state that a thread can be in.

Each is a function that leaves them behind, to be called inside a trial.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

FOR_EVER_S = 80_000


def _thread(target: Callable[..., object], *arguments: object) -> None:
    threading.Thread(target=target, args=arguments, daemon=True).start()


def _taken_lock() -> None:
    lock = threading.Lock()
    lock.acquire()
    _thread(lock.acquire)


def _taken_rlock() -> None:
    lock = threading.RLock()
    lock.acquire()
    _thread(lock.acquire)


def _condition(lock: Any) -> None:
    """One thread waits for a condition whose lock another one has when both are killed."""
    condition = threading.Condition(lock)

    def wait() -> None:
        with condition:
            condition.wait()

    def hold() -> None:
        with condition:
            time.sleep(FOR_EVER_S)

    _thread(wait)
    time.sleep(1)
    _thread(hold)


def _full_queue() -> None:
    full: queue.Queue[int] = queue.Queue(1)
    full.put(0)
    _thread(full.put, 0)


def _executor() -> ThreadPoolExecutor:
    """One thread works, one waits for work."""
    pool = ThreadPoolExecutor(3)
    pool.submit(time.sleep, FOR_EVER_S)
    pool.submit(int)
    return pool


def _loop() -> None:
    async def sleep() -> None:
        try:
            await asyncio.sleep(FOR_EVER_S)
        finally:
            await asyncio.sleep(1)

    async def serve() -> None:
        await asyncio.gather(*(sleep() for _ in range(3)))

    _thread(lambda: asyncio.run(serve()))


def _loop_in_a_callback() -> None:
    async def serve() -> None:
        task = asyncio.create_task(asyncio.sleep(FOR_EVER_S))
        asyncio.get_running_loop().call_soon(time.sleep, FOR_EVER_S)
        await task

    _thread(lambda: asyncio.run(serve()))


def _loop_in_a_generator() -> None:
    async def numbers() -> Any:
        # With an `await` in a `finally` here, asyncio itself would complain.
        yield 1
        yield 2

    async def read() -> None:
        async for _ in numbers():
            await asyncio.sleep(FOR_EVER_S)

    _thread(lambda: asyncio.run(read()))


def _loop_with_a_thread() -> None:
    async def serve() -> None:
        await asyncio.to_thread(time.sleep, FOR_EVER_S)

    _thread(lambda: asyncio.run(serve()))


def _joined() -> None:
    sleeping = threading.Thread(target=time.sleep, args=(FOR_EVER_S,), daemon=True)
    sleeping.start()
    _thread(sleeping.join)


LEFTOVERS: dict[str, Callable[[], object]] = {
    "sleep": lambda: _thread(time.sleep, FOR_EVER_S),
    "event": lambda: _thread(threading.Event().wait),
    "lock": _taken_lock,
    "rlock": _taken_rlock,
    "condition-on-lock": lambda: _condition(threading.Lock()),
    "condition-on-rlock": lambda: _condition(threading.RLock()),
    "queue": lambda: _thread(queue.Queue().get),
    "full-queue": _full_queue,
    "simple-queue": lambda: _thread(queue.SimpleQueue().get),
    "semaphore": lambda: _thread(threading.Semaphore(0).acquire),
    "barrier": lambda: _thread(threading.Barrier(2).wait),
    "timer": lambda: threading.Timer(FOR_EVER_S, print).start(),
    "join": _joined,
    "executor": _executor,
    "loop": _loop,
    "loop-in-a-callback": _loop_in_a_callback,
    "loop-in-a-generator": _loop_in_a_generator,
    "loop-with-a-thread": _loop_with_a_thread,
}
