"""What is replaced once a process, before any client is imported, and never restored.

Libraries keep what they find when they are imported: a class to derive from, a function that
tells the time, a lock for the whole module. So stand-ins that work inside and outside of trials
take those places, and check at each call whether a trial is running. `sim.patches` replaces the
rest, which no library keeps, for the length of a trial.
"""

# These two are imported first, so that their own locks stay real; nobody holds those across a
# scheduling point. They guard what is computed once, so with simulated locks the first trial would
# differ from later ones.
import asyncio
import fcntl
import logging  # noqa: F401
import os
import queue
import random
import select
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from race_harness.sim import dual_socket as sockets
from race_harness.sim import entropy, lookup, pipes, polling, primitives, virtual_time
from race_harness.sim.selector import DefaultSelector

_REAL: Final = {*sys.builtin_module_names, "_socket"}

_installed = False


def install() -> None:
    """Put the stand-ins in place. In modules that were imported before, this replaces their copies
    too, where a global name refers to one."""
    global _installed
    if _installed:
        return
    _installed = True
    kept: dict[int, tuple[object, Any]] = {}
    for owner, name, stand_in in _stand_ins():
        if not hasattr(owner, name):
            continue
        original = getattr(owner, name)
        kept[id(original)] = (original, stand_in)
        setattr(owner, name, stand_in)
    _replace_copies(kept)
    virtual_time.install_dates()
    os.register_at_fork(after_in_child=primitives.keep_own_locks_real)
    # uvloop waits and connects in C, unannounced. asyncio's own loop will do instead.
    sys.modules.setdefault("uvloop", None)  # type: ignore[arg-type]


def _stand_ins() -> Iterator[tuple[object, str, Any]]:
    """Owner, attribute, stand-in."""
    for module, functions in (
        (time, virtual_time.STAND_INS),
        (select, polling.STAND_INS),
        (socket, lookup.STAND_INS),
        (os, entropy.STAND_INS),
        (os, pipes.STAND_INS),
        (fcntl, pipes.FILE_CONTROL),
    ):
        for name, stand_in in functions.items():
            yield module, name, _unbound(stand_in)
    for name, stand_in in primitives.STAND_INS.items():
        yield threading, name, stand_in
    yield socket, "socket", sockets.DualSocket
    for function in (sockets.socketpair, sockets.dup, sockets.close):
        yield socket, function.__name__, _unbound(function)
    yield selectors, "DefaultSelector", DefaultSelector
    # These classes bound the real functions when they were made.
    yield selectors.SelectSelector, "_select", staticmethod(select.select)
    yield selectors.PollSelector, "_selector_cls", staticmethod(polling.STAND_INS["poll"])
    yield selectors.EpollSelector, "_selector_cls", polling.Epoll
    yield asyncio.BaseEventLoop, "time", virtual_time.loop_time(asyncio.BaseEventLoop.time)
    # The C version waits where the kernel cannot see it.
    yield queue, "SimpleQueue", queue._PySimpleQueue  # type: ignore[attr-defined]
    yield random.Random, "seed", entropy.seed_generator


def _unbound(stand_in: Callable[..., Any]) -> Any:
    """The stand-in as something that, like a built-in function, does not become a method of a
    class that keeps it: `logging.Formatter` keeps `time.localtime`."""
    return stand_in if isinstance(stand_in, type) else staticmethod(stand_in)


def _replace_copies(kept: dict[int, tuple[object, Any]]) -> None:
    """`from time import monotonic` puts the function out of reach of an attribute of `time`."""
    for name, module in list(sys.modules.items()):
        # Built-in modules need the real functions, and so does the simulation.
        if name in _REAL or name.startswith("race_harness.sim"):
            continue
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            original, stand_in = kept.get(id(value), (None, None))
            if original is not None and original is value:
                setattr(module, attribute, stand_in)
