"""Pipes between two real sockets."""

import asyncio
import contextlib
import random
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from harness.network.pipe import Clock, Pipe
from harness.realtime.frames import FrameEnds
from harness.schedule import Link
from harness.trace import Trace

_REMEMBERED: Final = 256
"""Chunks whose delivery is remembered: a mark is told late by less than so many."""


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
        """In the loop's thread only. Late by a millisecond at most, if the machine is idle."""
        return self._loop.call_later(max(0, at_ns - self.now_ns) / 1e9, action)

    def do(self, action: Callable[[], None]) -> None:
        """At once in the loop's thread, as soon as it can from another."""
        if threading.current_thread() is self.thread:
            action()
        else:
            with contextlib.suppress(RuntimeError):  # The loop is closed: the trial is over.
                self._loop.call_soon_threadsafe(action)


class Passage(Pipe):
    """A pipe whose sender's bytes come from a socket."""

    def __init__(self, clock: Clock, name: str, link: Link, rng: random.Random) -> None:
        super().__init__(clock, name, link, rng)
        self.unread: Callable[[], int] = lambda: 0
        """How many bytes the sender has written that were not given to the pipe yet."""
        self._passed: deque[tuple[int, int]] = deque(maxlen=_REMEMBERED)

    def mark(self, action: Callable[[int], object]) -> None:
        """Do `action`, with the instant, when everything written so far has been delivered; that
        may have been before this was asked."""
        position = self.sent + self.unread()
        for delivered, at_ns in self._passed:
            if delivered >= position:
                action(at_ns)
                return
        self._marks.append((position, action))

    def _pass(self, data: bytes) -> None:
        self._passed.append((self._delivered + len(data), self._clock.now_ns))
        super()._pass(data)


class SocketPassage(Passage):
    """A pipe of a WebSocket, in which a last frame is put between two others."""

    def __init__(self, clock: Clock, name: str, link: Link, rng: random.Random) -> None:
        super().__init__(clock, name, link, rng)
        self._ends = FrameEnds()
        self._last: bytes | None = None

    def send(self, data: bytes) -> None:
        ends = self._ends.feed(data)
        if self._last is None or not ends:
            super().send(data)
            return
        super().send(data[: ends[0]])
        super().send(self._last)
        self.finish()

    def say_last(self, data: bytes) -> None:
        """Send this as soon as no frame is under way, and then the end of the stream."""
        if self._ends.at_end:
            super().say_last(data)
        else:
            self._last = data
