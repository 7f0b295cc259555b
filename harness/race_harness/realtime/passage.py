"""The pipes of a WebSocket between two real sockets."""

import random

from race_harness.model.schedule import Link
from race_harness.network.pipe import Clock, Pipe
from race_harness.realtime.frames import FrameEnds


class SocketPassage(Pipe):
    """A pipe of a WebSocket, which can put a last frame between two others."""

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
        """Send this once no frame is half sent, and then the end of the stream."""
        if self._ends.at_end:
            super().say_last(data)
        else:
            self._last = data
