"""Refuses what would leave the simulation: real threads, sockets, look-ups, processes, sleeps.

CPython announces each of these to audit hooks (PEP 578) before doing it, also when it is reached
through a name that no patch covers. A hook cannot be removed, so one is added per process and
does nothing outside trials.
"""

import _thread
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from race_harness.sim import kernel as kernels

REFUSED = {
    "_thread.start_new_thread": "starting a real thread",
    "_thread.start_joinable_thread": "starting a real thread",
    "time.sleep": "sleeping in real time",  # announced from Python 3.13 on
    "socket.__new__": "making a real socket",
    "socket.getaddrinfo": "looking up a name",
    "socket.getnameinfo": "looking up a name",
    "socket.gethostbyname": "looking up a name",
    "socket.gethostbyaddr": "looking up a name",
    "subprocess.Popen": "starting a process",
    "os.exec": "starting a process",
    "os.fork": "starting a process",
    "os.forkpty": "starting a process",
    "os.posix_spawn": "starting a process",
    "os.spawn": "starting a process",
    "os.system": "starting a process",
}

PROCESSES: Final = frozenset({"subprocess.Popen", "os.posix_spawn", "os.system"})
"""What a trial that may have child processes may do. A fork is not among it: the child would hold
half of the simulation."""

_installed = False
_exempt: set[int] = set()


def install() -> None:
    """Add the hook, once a process."""
    global _installed
    if not _installed:
        _installed = True
        sys.addaudithook(_hook)


@contextmanager
def this_thread_exempted() -> Iterator[None]:
    """Exempt the watchdog's thread, which lives in real time, but only while it runs: a later
    thread may get its number."""
    me = _thread.get_ident()
    _exempt.add(me)
    try:
        yield
    finally:
        _exempt.discard(me)


def _hook(event: str, args: tuple[object, ...]) -> None:
    what = REFUSED.get(event)
    if what is None:
        return
    kernel = kernels.active
    if kernel is None or kernel.spawning or _thread.get_ident() in _exempt:
        return
    if kernel.outside is not None and event in PROCESSES:
        return
    raise kernel.refusal(what)
