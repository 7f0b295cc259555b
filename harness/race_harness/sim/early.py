"""What is replaced once a process, before any client is imported, and never restored.

Libraries keep what they find when they are imported: a class to derive from, a function that
tells the time, a lock for the whole module. So stand-ins that work inside and outside of trials
take those places, and ask where they are each time they are called. `sim.patches` has the rest,
which nobody keeps, for the length of a trial.
"""

# The locks that these two have for themselves stay real ones, since they are imported first;
# nobody holds them across a scheduling point. They guard what is found out once: first trials
# would differ from later ones.
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
    """Put the stand-ins in. Where modules were imported before, what they keep is replaced too, as
    far as it is theirs by name."""
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
    # It waits and connects in C, where nothing announces it. asyncio's own loop does as well.
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
    # Bound when their classes were made.
    yield selectors.SelectSelector, "_select", staticmethod(select.select)
    yield selectors.PollSelector, "_selector_cls", staticmethod(polling.STAND_INS["poll"])
    yield selectors.EpollSelector, "_selector_cls", polling.Epoll
    yield asyncio.BaseEventLoop, "time", virtual_time.loop_time(asyncio.BaseEventLoop.time)
    # The one in C waits where nobody sees it.
    yield queue, "SimpleQueue", queue._PySimpleQueue  # type: ignore[attr-defined]
    yield random.Random, "seed", entropy.seed_generator


def _unbound(stand_in: Callable[..., Any]) -> Any:
    """As a built-in function is: no method where somebody makes it an attribute of a class, as
    `logging.Formatter` does with `time.localtime`."""
    return stand_in if isinstance(stand_in, type) else staticmethod(stand_in)


def _replace_copies(kept: dict[int, tuple[object, Any]]) -> None:
    """`from time import monotonic` puts the function out of reach of an attribute of `time`."""
    for name, module in list(sys.modules.items()):
        # What is built in stands on the real thing, and so does the simulation.
        if name in _REAL or name.startswith("race_harness.sim"):
            continue
        for attribute, value in list(getattr(module, "__dict__", {}).items()):
            original, stand_in = kept.get(id(value), (None, None))
            if original is not None and original is value:
                setattr(module, attribute, stand_in)
