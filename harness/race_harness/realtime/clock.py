"""Real time, as the network's pipes and the servers see it."""

import asyncio
import contextlib
import selectors
import threading
from collections.abc import Callable

from race_harness.model.trace import Trace


def precise_loop() -> asyncio.AbstractEventLoop:
    """An event loop that can wait for tenths of milliseconds, which schedules use; epoll,
    asyncio's own choice, rounds up to whole milliseconds."""
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


class LoopClock:
    """Real time, for a network in an event loop that has a thread of its own."""

    def __init__(self, trace: Trace, loop: asyncio.AbstractEventLoop) -> None:
        self.trace = trace
        self._loop = loop
        self.thread: threading.Thread | None = None

    @property
    def now_ns(self) -> int:
        return self.trace.now_ns()

    def call_at(self, at_ns: int, action: Callable[[], None]) -> asyncio.TimerHandle:
        """Call it in the loop's thread only."""
        return self._loop.call_later(max(0, at_ns - self.now_ns) / 1e9, action)

    def do(self, action: Callable[[], None]) -> None:
        """Do it at once in the loop's thread; from another thread, as soon as the loop can."""
        if threading.current_thread() is self.thread:
            action()
        else:
            with contextlib.suppress(RuntimeError):  # The loop is closed: the trial is over.
                self._loop.call_soon_threadsafe(action)
