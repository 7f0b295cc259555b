"""Pipes between two real sockets."""

import random
from collections import deque
from collections.abc import Callable
from typing import Final

from race_harness.model.schedule import Link
from race_harness.network.pipe import Clock, Pipe
from race_harness.realtime.frames import FrameEnds

_REMEMBERED: Final = 256
"""Chunks whose delivery is remembered: a mark is told late by less than so many."""


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
        super().send(data[ends[0] :])

    def say_last(self, data: bytes) -> None:
        """Send this as soon as no frame is under way, and then the end of the stream."""
        if self._ends.at_end:
            super().say_last(data)
        else:
            self._last = data
