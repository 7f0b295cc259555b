"""What is swapped for the length of a trial, and put back after it.

A table of (owner, attribute, replacement), nothing else; `install` returns what undoes it. The
pure-Python rest of `threading`, `queue`, `concurrent.futures` and `asyncio` follows by itself.
"""

import asyncio
import asyncio.runners
import concurrent.futures.thread as futures_thread
import contextlib
import itertools
import logging
import os
import queue
import random
import select
import selectors
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from race_harness.sim import kernel as kernels
from race_harness.sim.copies import Patch, copies
from race_harness.sim.entropy import Entropy
from race_harness.sim.kernel import SECOND, Kernel
from race_harness.sim.loop import SimLoop, SimTask
from race_harness.sim.primitives import (
    SimLock,
    SimRLock,
    SimThreadHandle,
    set_sentinel,
    start_joinable_thread,
    start_new_thread,
)
from race_harness.sim.stream import SimBackend
from race_harness.sim.tcp import SimNetwork

EPOCH_S = 1_767_225_600
"""2026-01-01T00:00:00Z, when every trial begins by its own clock."""
MONOTONIC_S = 1_000
"""What `time.monotonic()` says when a trial begins."""


def table(kernel: Kernel, network: SimNetwork, entropy: Entropy) -> list[Patch]:
    """Every replacement of one trial."""
    patches = [
        *_time(kernel),
        *_threads(),
        *_last_words(kernel),
        *_entropy(entropy),
        *_asyncio(kernel, network),
        *_client_libraries(kernel, network),
        *_aiohttp(),
        *_blocking_waits(kernel),
    ]
    return patches + copies(patches)


def install(patches: list[Patch]) -> Callable[[], None]:
    """Swap the attributes in; the result puts back what was there."""
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in patches]
    for owner, name, replacement in patches:
        setattr(owner, name, replacement)

    def restore() -> None:
        for owner, name, original in originals:
            setattr(owner, name, original)

    return restore


@contextlib.contextmanager
def process_state_kept() -> Iterator[None]:
    """Keep process-wide state that a trial changes without any patch."""
    random_state = random.getstate()
    alive, starting = dict(threading._active), dict(threading._limbo)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        random.setstate(random_state)
        for registry, before in (("_active", alive), ("_limbo", starting)):
            entries = getattr(threading, registry)
            entries.clear()
            entries.update(before)


def _time(kernel: Kernel) -> list[Patch]:
    def sleep(seconds: float) -> None:
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        kernel.block("sleep", kernel.after(seconds))

    def clock(start_s: int, name: str) -> list[Patch]:
        start_ns = start_s * SECOND
        return [
            (time, name, lambda: (start_ns + kernel.now_ns) / SECOND),
            (time, f"{name}_ns", lambda: start_ns + kernel.now_ns),
        ]

    return [
        *clock(MONOTONIC_S, "monotonic"),
        *clock(MONOTONIC_S, "perf_counter"),
        *clock(EPOCH_S, "time"),
        (time, "sleep", sleep),
    ]


class _InOrder(dict[Any, None]):
    """A set that iterates in the order of adding."""

    def add(self, entry: object) -> None:
        self[entry] = None


def _threads() -> list[Patch]:
    make_executor = futures_thread.ThreadPoolExecutor.__init__

    def make_executor_in_order(self: Any, *args: Any, **options: Any) -> None:
        make_executor(self, *args, **options)
        # `shutdown` joins its threads in the order of this set, which depends on addresses.
        self._threads = _InOrder()

    patches: list[Patch] = [
        (threading, "Lock", SimLock),
        (threading, "_allocate_lock", SimLock),
        (threading, "RLock", SimRLock),
        # Thread names are numbered from one again.
        (threading, "_counter", itertools.count(1).__next__),
        (queue, "SimpleQueue", queue._PySimpleQueue),  # type: ignore[attr-defined]
        # A real one would be held while a thread is started.
        (futures_thread, "_global_shutdown_lock", SimLock()),
        (
            futures_thread.ThreadPoolExecutor,
            "_counter",
            staticmethod(itertools.count().__next__),
        ),
        (futures_thread.ThreadPoolExecutor, "__init__", make_executor_in_order),
    ]
    if sys.version_info >= (3, 13):
        patches += [
            (threading, "_start_joinable_thread", start_joinable_thread),
            (threading, "_ThreadHandle", SimThreadHandle),
        ]
    else:
        patches += [
            (threading, "_start_new_thread", start_new_thread),
            (threading, "_set_sentinel", set_sentinel),
            (threading, "_shutdown_locks_lock", SimLock()),
            (threading, "_shutdown_locks", set()),
        ]
    return patches


def _last_words(kernel: Kernel) -> list[Patch]:
    """What a killed thread dies of is of no interest, whatever hook pytest or a client has."""

    def unless_killed(tell: Callable[..., object]) -> Callable[..., None]:
        def told(*args: object) -> None:
            if not (kernel.controls() and kernel.strand_of_caller().killed):
                tell(*args)

        return told

    return [
        (threading, "excepthook", unless_killed(threading.excepthook)),
        # concurrent.futures logs whatever ends a worker.
        (logging.Logger, "handle", unless_killed(logging.Logger.handle)),
    ]


def _entropy(entropy: Entropy) -> list[Patch]:
    seed_generator = random.Random.seed

    def seed(self: random.Random, a: Any = None, version: int = 2) -> None:
        # Without a seed it would ask the system, from C.
        seed_generator(self, entropy.urandom(32) if a is None else a, version)

    return [
        (os, "urandom", entropy.urandom),
        (random, "_urandom", entropy.urandom),
        # Seeding from the system would undo the trial's own seed.
        (random, "seed", lambda *_args, **_options: None),
        (random.Random, "seed", seed),
    ]


def _asyncio(kernel: Kernel, network: SimNetwork) -> list[Patch]:
    def new_event_loop() -> SimLoop:
        return SimLoop(kernel, network, time.monotonic)

    def cancel_all_tasks(loop: asyncio.AbstractEventLoop) -> None:
        # asyncio.runners keeps tasks in a set, whose order depends on addresses.
        tasks = sorted(asyncio.all_tasks(loop), key=_task_number)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))

    return [
        (asyncio.events, "new_event_loop", new_event_loop),
        (asyncio, "new_event_loop", new_event_loop),
        (asyncio.runners, "_cancel_all_tasks", cancel_all_tasks),
    ]


def _task_number(task: asyncio.Task[Any]) -> tuple[int, str]:
    """The order of creation, as well as it is known."""
    if isinstance(task, SimTask):
        return task.number, ""
    # Made by a factory of the client's: `Task-10` after `Task-9`.
    name = task.get_name()
    digits = name.rpartition("-")[2]
    return (int(digits) if digits.isdigit() else 0, name)


def _client_libraries(kernel: Kernel, network: SimNetwork) -> list[Patch]:
    """httpx and its transport. A client without them does its REST otherwise, or not at all."""
    try:
        # httpx imports httpcore only when it is first used.
        import httpcore
        import httpx
    except ImportError:
        return []
    modules = (httpcore._sync.connection, httpcore._sync.connection_pool)
    return [
        *((module, "SyncBackend", lambda: SimBackend(kernel, network)) for module in modules),
        *_async_httpcore(),
        # Loading the certificates takes 75-230 ms a client, for connections without TLS.
        (httpx._transports.default, "create_ssl_context", lambda *_args, **_options: None),
    ]


def _async_httpcore() -> list[Patch]:
    """It runs on the event loop by itself, but asks the system whether an idle connection's socket
    can be read: so it notices that the server has hung up."""
    try:
        from httpcore._backends import anyio as backend
    except ImportError:  # It needs anyio.
        return []
    return [(backend, "is_socket_readable", lambda sock: sock is None or sock.readable())]


def _aiohttp() -> list[Patch]:
    """Its sockets draw their masks from one generator for the whole process."""
    return [
        (make, "__kwdefaults__", {**make.__kwdefaults__, "random": random.Random(0)})
        for module in _loaded("aiohttp.http_websocket")
        if "random" in ((make := module.WebSocketWriter.__init__).__kwdefaults__ or {})
    ]


def _blocking_waits(kernel: Kernel) -> list[Patch]:
    """Waits of the operating system, which would stop the world: refused and named."""

    def refuse(what: str) -> Callable[..., object]:
        def refused(*_args: object, **_options: object) -> object:
            raise kernel.refusal(f"{what}()")

        return refused

    return [
        (select, name, refuse(f"select.{name}"))
        for name in ("select", "poll", "epoll")
        if hasattr(select, name)
    ] + [
        # It holds the above by names of its own; asyncio's real loops are built on it.
        (selectors._BaseSelectorImpl, "__init__", refuse("selectors.BaseSelector")),
        # It waits and connects in C, where nothing announces it.
        *((uvloop.Loop, "__init__", refuse("uvloop.Loop")) for uvloop in _loaded("uvloop")),
    ]


def _loaded(name: str) -> list[Any]:
    """The module of that name, if the client has imported it."""
    module = sys.modules.get(name)
    return [] if module is None else [module]


def assert_no_trial() -> None:
    if kernels.active is not None:
        raise RuntimeError("a trial is already running in this process")
