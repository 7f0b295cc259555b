"""Child processes of a trial, where its subject may start any. They take no virtual time.

The trial reaches them through descriptors of the operating system. Before virtual time passes, the
kernel waits here, in real time, until one of them has news, or until every child has ended or been
silent for `PATIENCE_S`. So a child may take as long as it likes to answer, and a trial repeats as
exactly as its children do.
"""

import contextlib
import fcntl
import os
import select
import signal
import time
from collections.abc import Callable, Collection
from math import inf
from typing import Any, Final

from race_harness.sim.endpoint import Waitable
from race_harness.sim.kernel import Kernel

PATIENCE_S: Final = 5.0
"""Real seconds that a child may say nothing. After that, virtual time passes without it until it
says something again: it may be a server, or wait for something that comes later."""

_real_poll, _real_monotonic = select.poll, time.monotonic


class RealEnd(Waitable):
    """A descriptor of the operating system, for a wait on several.

    It has what `polling` and `selector` ask of an `Endpoint`.
    """

    def __init__(self, kernel: Kernel, number: int) -> None:
        super().__init__(kernel)
        self.number = number

    def events(self) -> int:
        poller = _real_poll()
        poller.register(self.number, select.POLLIN | select.POLLOUT)
        return sum(events for _, events in poller.poll(0))

    def readable(self) -> bool:
        return bool(self.events() & (select.POLLIN | select.POLLHUP | select.POLLERR))

    def writable(self) -> bool:
        return bool(self.events() & (select.POLLOUT | select.POLLERR))

    def wanted(self) -> int:
        """The events that strands wait for, as in poll(2)."""
        found = 0
        for watch in self.watches:
            found |= watch.mask()
        if self.waiting:
            # The end of the pipe decides: strands wait to write or to read.
            with contextlib.suppress(OSError):
                mode = fcntl.fcntl(self.number, fcntl.F_GETFL) & os.O_ACCMODE
                found |= select.POLLOUT if mode == os.O_WRONLY else select.POLLIN
        return found


class Children:
    """The child processes of one trial."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._ends: dict[int, RealEnd] = {}
        self._running: dict[int, int] = {}
        """Process id to a descriptor of the process."""
        self._silent: set[int] = set()
        self.left_alone = False
        """Whether virtual time passed without a child that was still running at the end."""

    def end_at(self, number: int) -> RealEnd:
        if number not in self._ends:
            self._ends[number] = RealEnd(self._kernel, number)
        return self._ends[number]

    def started(self, pid: int) -> None:
        self._running[pid] = os.pidfd_open(pid)

    def await_news(self) -> bool:
        """Whether news from outside lets a strand continue; called when none can."""
        silent_at = _real_monotonic() + PATIENCE_S
        while True:
            left_s = self._patience_s(silent_at)
            ready = {number for number, _ in self._poller().poll(_milliseconds(left_s))}
            self._bury(ready)
            told = [end for number, end in self._ends.items() if number in ready]
            for end in told:
                end.changed()
            if told:
                self._silent.clear()
            if told and self._kernel.has_ready():
                return True
            # News that keeps coming and wakes nobody is not worth waiting for either.
            if not ready or left_s <= 0:
                self._silent.update(self._running)
                return False

    def end(self) -> None:
        """Kill what still runs."""
        self.left_alone = not self._silent.isdisjoint(self._running)
        for pid, process in self._running.items():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
            os.close(process)
        self._running.clear()

    def _patience_s(self, silent_at: float) -> float:
        """How many more real seconds to wait for the children."""
        if not self._running:
            return 0.0
        if not self._kernel.has_timers():
            return inf  # Nothing else can happen any more.
        if self._silent.issuperset(self._running):
            return 0.0
        return max(0.0, silent_at - _real_monotonic())

    def _poller(self) -> Any:
        """A poller of every descriptor that may bring news of the children."""
        poller = _real_poll()
        for number, end in self._ends.items():
            if wanted := end.wanted():
                poller.register(number, wanted)
        for process in self._running.values():
            poller.register(process, select.POLLIN)
        return poller

    def _bury(self, ready: Collection[int]) -> None:
        """Forget children that have ended: the code that started them collects their status."""
        for pid, process in list(self._running.items()):
            if process in ready:
                del self._running[pid]
                os.close(process)


def _milliseconds(seconds: float) -> float | None:
    """The time as poll(2) takes it."""
    return None if seconds == inf else seconds * 1_000


def announced(start: Callable[..., int], children: Children) -> Callable[..., int]:
    """A function that starts a process and gives its id, for the length of a trial."""

    def started(*args: Any, **options: Any) -> int:
        pid = start(*args, **options)
        children.started(pid)
        return pid

    return started
