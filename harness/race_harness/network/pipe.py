"""One direction of a connection.

A pipe delivers chunks in order, each no earlier than its link's latency allows; TCP never reorders
(RFC 9293), so neither do we. An end learns of data, of the end of the stream, and of a reset;
nothing else is observable on a real socket.
"""

import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

from race_harness.model.schedule import Link
from race_harness.model.trace import Trace

MILLISECOND: Final = 1_000_000

SEGMENT: Final = 16_384
"""Bytes that a link of limited bandwidth carries at once, so that a large frame comes in parts."""


class Clock(Protocol):
    """Time as a network sees it: the kernel's, or an event loop's."""

    trace: Trace

    @property
    def now_ns(self) -> int:
        """Nanoseconds since the trial began."""

    def call_at(self, at_ns: int, action: Callable[[], None]) -> object:
        """Do `action` at an instant, where the network's own code runs."""

    def do(self, action: Callable[[], None]) -> None:
        """Do `action` now, where the network's own code runs."""


class End(Protocol):
    """What a pipe delivers to. Its methods are called outside every strand, and must not block."""

    def received(self, data: bytes) -> None: ...

    def ended(self) -> None:
        """The peer sends nothing more."""

    def broken(self) -> None:
        """The connection was reset."""


class Sender(Protocol):
    """A sender that may have to wait until a pipe takes more."""

    def has_room(self) -> None: ...


class _Last(Enum):
    """How a direction ends, once everything sent before has arrived."""

    FINISHED = "FIN"
    RESET = "RST"


@dataclass(slots=True)
class _Chunk:
    at_ns: int
    data: bytes | _Last


class Pipe:
    """One direction of a connection."""

    def __init__(self, clock: Clock, name: str, link: Link, rng: random.Random) -> None:
        self.link = link
        self.sent = 0
        """Bytes given to the pipe so far."""
        self.end: End | None = None
        self.sender: Sender | None = None
        """It learns when a full pipe has room again."""
        self._clock = clock
        self._name = name
        self._rng = rng
        self._flying: deque[_Chunk] = deque()
        self._timer_set = False
        self._last_at_ns = 0
        self._free_at_ns = 0
        self.busy_ns = 0
        """How long the link was busy so far because of its limited bandwidth."""
        self._stalled_until_ns = 0
        self._closed = False
        self._reset = False
        self._delivered = 0
        self._taken = 0
        self._extra_ns = 0
        self._marks: deque[tuple[int, Callable[[int], object]]] = deque()

    def send(self, data: bytes) -> None:
        # Lost bytes count as sent, but are never delivered.
        self.sent += len(data)
        # Skip an empty write: delivered, it would read as the end of the stream.
        if data and not self._closed:
            self._clock.trace.note_bytes(self._name, data)
            size = len(data) if self.link.kbit_s is None else SEGMENT
            for begin in range(0, len(data), size):
                self._launch(data[begin : begin + size])

    def finish(self) -> None:
        """Send the end of the stream (FIN) after what is under way."""
        if not self._closed:
            self._closed = True
            self._launch(_Last.FINISHED)

    def abort(self) -> None:
        """Send a reset (RST) after what is under way, whether or not the stream has ended."""
        self._closed = True
        self._launch(_Last.RESET)

    def room(self) -> int:
        """How many bytes the sender can send without waiting."""
        return self.link.buffer_kb * 1_000 - (self.sent - self._taken)

    def taken(self, size: int) -> None:
        """The receiver has read `size` bytes, which makes room."""
        was_full = self.room() <= 0
        self._taken += size
        if was_full and self.sender is not None:
            self.sender.has_room()

    def delay_next(self, by_ns: int) -> None:
        """Delay the next chunk by that much more."""
        self._extra_ns = by_ns

    def say_last(self, data: bytes) -> None:
        """Send this and then the end of the stream, whatever the sender still writes."""
        self.send(data)
        self.finish()

    def mark(self, action: Callable[[int], object], *, before: int = 0) -> None:
        """Call `action` with the instant at which everything sent so far, except for the last
        `before` bytes, has been delivered. A later mark must not be for an earlier byte."""
        position = self.sent - before
        if self._delivered >= position:
            action(self._clock.now_ns)
        else:
            self._marks.append((position, action))

    def stall(self, until_ns: int) -> None:
        self._stalled_until_ns = max(self._stalled_until_ns, until_ns)

    def drop(self) -> None:
        """Deliver nothing more, without telling the ends."""
        self._closed = True
        self._flying.clear()

    def cut(self) -> bool:
        """Lose what is under way and end the stream; return whether anything was under way."""
        lost = bool(self._flying)
        self._flying.clear()
        self.finish()
        return lost

    def reset(self) -> None:
        """Tell the receiver that the connection is gone; what was under way is lost."""
        self.drop()
        self._reset = True
        if self.end is not None:
            self.end.broken()

    def attach(self, end: End) -> None:
        self.end = end
        if self._reset:
            # The reset came before the accept, which then returns a broken connection.
            end.broken()
        self._plan()

    def _launch(self, data: bytes | _Last) -> None:
        delay_ns = round(self.link.latency_ms * MILLISECOND) + self._extra_ns
        self._extra_ns = 0
        if self.link.jitter_ms:
            delay_ns += round(self._rng.random() * self.link.jitter_ms * MILLISECOND)
        at_ns = max(self._last_at_ns, self._carried_at_ns(data) + delay_ns)
        self._last_at_ns = at_ns
        self._flying.append(_Chunk(at_ns, data))
        self._plan()

    def _carried_at_ns(self, data: bytes | _Last) -> int:
        """When the link has carried all of it; it carries one chunk after another."""
        now_ns = self._clock.now_ns
        if self.link.kbit_s is None or isinstance(data, _Last):
            return now_ns
        takes_ns = round(8 * len(data) * MILLISECOND / self.link.kbit_s)
        self.busy_ns += takes_ns
        self._free_at_ns = max(now_ns, self._free_at_ns) + takes_ns
        return self._free_at_ns

    def _plan(self) -> None:
        if self._flying and self.end is not None and not self._timer_set:
            self._timer_set = True
            due_ns = max(self._flying[0].at_ns, self._stalled_until_ns)
            self._clock.call_at(due_ns, self._deliver)

    def _deliver(self) -> None:
        self._timer_set = False
        if self._flying and self.end is not None and self._stalled_until_ns <= self._clock.now_ns:
            chunk = self._flying.popleft()
            if chunk.data is _Last.FINISHED:
                self.end.ended()
            elif chunk.data is _Last.RESET:
                self._reset = True
                self.end.broken()
            else:
                self._pass(chunk.data)
        self._plan()

    def _pass(self, data: bytes) -> None:
        assert self.end is not None
        # Take the time first: in real time the data may be read and answered at once.
        at_ns = self._clock.now_ns
        self._delivered += len(data)
        self.end.received(data)
        while self._marks and self._marks[0][0] <= self._delivered:
            self._marks.popleft()[1](at_ns)
