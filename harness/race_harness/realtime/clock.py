"""Real time, as the network's pipes and the servers see it."""

import asyncio
import contextlib
import selectors
import threading
from collections.abc import Callable

from race_harness.model.trace import Trace


def precise_loop() -> asyncio.AbstractEventLoop:
    """An event loop that waits for tenths of milliseconds, in which schedules count: asyncio's own
    choice, epoll, rounds up to whole ones."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


class LoopClock:
    """Real time, for a network that lives in an event loop of a thread of its own."""

    def __init__(self, trace: Trace, loop: asyncio.AbstractEventLoop) -> None:
        self.trace = trace
        self._loop = loop
        self.thread: threading.Thread | None = None

    @property
    def now_ns(self) -> int:
        return self.trace.now_ns()

    def call_at(self, at_ns: int, action: Callable[[], None]) -> asyncio.TimerHandle:
        """In the loop's thread only."""
        return self._loop.call_later(max(0, at_ns - self.now_ns) / 1e9, action)

    def do(self, action: Callable[[], None]) -> None:
        """At once in the loop's thread, as soon as it can from another."""
        if threading.current_thread() is self.thread:
            action()
        else:
            with contextlib.suppress(RuntimeError):  # The loop is closed: the trial is over.
                self._loop.call_soon_threadsafe(action)
