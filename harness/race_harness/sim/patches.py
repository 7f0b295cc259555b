"""What is replaced for the length of a trial, and restored after it.

A table of (owner, attribute, replacement), nothing else. What modules keep copies of is not here:
see `sim.early`.
"""

import concurrent.futures.thread as futures_thread
import itertools
import logging
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any, Final

from race_harness.sim import tasks
from race_harness.sim.children import Children, announced
from race_harness.sim.kernel import Kernel
from race_harness.sim.primitives import SimLock
from race_harness.sim.tasks import Patch


def table(kernel: Kernel, children: Children | None = None) -> list[Patch]:
    """Every replacement of one trial; `children` learn of each process that a trial starts."""
    return [
        *_threads(),
        *_last_words(kernel),
        *tasks.patches(),
        # Seeding from the system would undo the trial's own seed.
        (random, "seed", lambda *_args, **_options: None),
        # The real one takes real descriptors only; no signal comes in a trial.
        (signal, "set_wakeup_fd", lambda *_args, **_options: -1),
        *_tls(kernel),
        *_processes(children),
        *_httpx(),
        *_aiohttp(),
        *_trio(),
    ]


_STARTING: Final[tuple[tuple[Any, str], ...]] = (
    (subprocess, "_fork_exec"),
    (os, "posix_spawn"),
    (os, "posix_spawnp"),
)


def _processes(children: Children | None) -> list[Patch]:
    if children is None:
        return []
    return [(owner, name, announced(getattr(owner, name), children)) for owner, name in _STARTING]


def install(patches: list[Patch]) -> Callable[[], None]:
    """Swap the attributes in; the result puts back what was there."""
    originals = [(owner, name, getattr(owner, name)) for owner, name, _ in patches]
    for owner, name, replacement in patches:
        setattr(owner, name, replacement)

    def restore() -> None:
        for owner, name, original in originals:
            setattr(owner, name, original)

    return restore


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
        # Thread names are numbered from one again.
        (threading, "_counter", itertools.count(1).__next__),
        # The lock may be older than `sim.early`, and is held while a thread starts.
        (futures_thread, "_global_shutdown_lock", SimLock()),
        (
            futures_thread.ThreadPoolExecutor,
            "_counter",
            staticmethod(itertools.count().__next__),
        ),
        (futures_thread.ThreadPoolExecutor, "__init__", make_executor_in_order),
    ]
    if sys.version_info < (3, 13):
        patches += [
            (threading, "_shutdown_locks_lock", SimLock()),
            (threading, "_shutdown_locks", set()),
        ]
    return patches


def _last_words(kernel: Kernel) -> list[Patch]:
    """Silence reports of how a killed thread dies, whatever hook pytest or a client has set."""

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


def _tls(kernel: Kernel) -> list[Patch]:
    """Refuse TLS: it waits on real descriptors, or draws its random bytes in C."""

    def refused(*_args: object, **_options: object) -> object:
        raise kernel.refusal("TLS")

    return [
        (ssl.SSLContext, name, refused)
        for ssl in _loaded("ssl")
        for name in ("wrap_socket", "wrap_bio")
    ]


def _httpx() -> list[Patch]:
    """Load no certificates: that takes 75-230 ms a client, for connections without TLS."""
    if not _loaded("httpx"):
        return []
    # httpx imports it when it is first used, and that imports trio, which starts a process.
    import httpcore  # noqa: F401
    import httpx

    return [(httpx._transports.default, "create_ssl_context", lambda *_args, **_options: None)]


def _aiohttp() -> list[Patch]:
    """Its sockets draw their masks from one generator for the whole process."""
    return [
        (make, "__kwdefaults__", {**make.__kwdefaults__, "random": random.Random(0)})
        for module in _loaded("aiohttp.http_websocket")
        if "random" in ((make := module.WebSocketWriter.__init__).__kwdefaults__ or {})
    ]


def _trio() -> list[Patch]:
    """Replace what trio keeps for the whole process: idle threads, which would be those of an
    earlier trial and gone, and the generator that shuffles what it runs next."""
    return [
        (module, "THREAD_CACHE", module.ThreadCache())
        for module in _loaded("trio._core._thread_cache")
    ] + [(module, "_r", random.Random(0)) for module in _loaded("trio._core._run")]


def _loaded(name: str) -> list[Any]:
    """The module of that name, if the client has imported it."""
    module = sys.modules.get(name)
    return [] if module is None else [module]
