"""One open socket, as the operating system has it: what descriptors refer to.

Calls on it never wait and never raise; `sim.simulated_socket` does both. It reports what Linux
reports: tcp(7) and epoll(7) describe the events.
"""

import errno
import os
import select
import socket
import struct
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, Protocol

from race_harness.sim.kernel import Kernel
from race_harness.sim.strands import Strand

if TYPE_CHECKING:
    # A worker imports this before anything else.
    from race_harness.network.pipe import Pipe

Address = tuple[str, int]

_NO_LINGER: Final = struct.pack("ii", 1, 0)
_LINGER: Final = (int(socket.SOL_SOCKET), int(socket.SO_LINGER))


class State(Enum):
    FRESH = "fresh"
    BOUND = "bound"
    LISTENING = "listening"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    CLOSED = "closed"


class Outlet(Protocol):
    """The direction in which an endpoint writes."""

    def finish(self) -> None:
        """Send the end of the stream."""

    def abort(self) -> None:
        """Send a reset."""

    def room(self) -> int:
        """How many bytes may be sent without waiting."""


class Inlet(Protocol):
    """The direction from which an endpoint reads."""

    def taken(self, size: int) -> None:
        """`size` bytes were read from the receive buffer."""


class Watch(Protocol):
    """One registration of a wait for several endpoints."""

    def mask(self) -> int:
        """The events that it waits for, as in poll(2)."""

    def changed(self) -> None:
        """The endpoint may be ready now."""

    def closed(self) -> None:
        """Its last descriptor is gone, and the registration with it."""


class Waitable:
    """Something that strands wait for, alone or together with others."""

    __slots__ = ("edge", "kernel", "waiting", "watches")

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.edge = 0
        """How often something changed; tells an edge-triggered watcher what it has not seen."""
        self.waiting: list[Strand] = []
        self.watches: list[Watch] = []

    def changed(self) -> None:
        """Wake those who wait."""
        self.edge += 1
        for strand in self.waiting:
            self.kernel.wake(strand)
        for watch in self.watches:
            watch.changed()


class Endpoint(Waitable):
    """One open socket."""

    __slots__ = (
        "accepted", "backlog", "error", "holders", "inlet", "name", "on_close", "options",
        "outlet", "over", "paired", "peer_name", "received_bytes", "state", "told", "write",
        "write_shut",
    )  # fmt: skip

    def __init__(self, kernel: Kernel) -> None:
        super().__init__(kernel)
        self.state = State.FRESH
        self.holders = 0
        """Descriptors that refer to it."""
        self.received_bytes = bytearray()
        self.over = False
        """Whether the peer sends nothing more."""
        self.error = 0
        """The pending error, as SO_ERROR gives it."""
        self.write_shut = False
        self.name: Address = ("0.0.0.0", 0)
        self.peer_name: Address | None = None
        self.options: dict[tuple[int, int], Any] = {}
        self.backlog = 0
        """How many connections may wait to be accepted."""
        self.accepted: deque[Endpoint] = deque()
        """The connections that wait."""
        self.write: Callable[[bytes], None] = _nowhere
        self.outlet: Outlet | None = None
        self.inlet: Inlet | None = None
        self.told = True
        """Whether a caller who connects without waiting has learned, from a further call, that the
        connection is open."""
        self.paired = False
        """Whether it is one of a `socketpair()`: no network lies between the two."""
        self.on_close: list[Callable[[], None]] = []

    # -- what it reports ---------------------------------------------------------------------

    def readable(self) -> bool:
        """Whether a read or an accept would not wait."""
        return bool(self.received_bytes or self.over or self.error or self.accepted)

    def writable(self) -> bool:
        """Whether a write would not wait, or a connect has ended."""
        if self.error:
            return True
        if self.state is State.CONNECTED:
            return self.write_shut or self.room() > 0
        return self.state is State.FRESH

    def events(self) -> int:
        """The events as poll(2) and epoll(7) report them; their bits are the same."""
        found = 0
        if self.received_bytes or self.over or self.accepted:
            found |= select.POLLIN
        if self.state is State.CONNECTED:
            if self.write_shut or self.room() > 0:
                found |= select.POLLOUT
            if self.over:
                found |= select.POLLRDHUP
                if self.write_shut:
                    found |= select.POLLHUP
        elif self.state is State.FRESH:
            found |= select.POLLOUT | select.POLLHUP
        if self.error:
            found |= select.POLLIN | select.POLLOUT | select.POLLERR | select.POLLHUP
        return found

    def room(self) -> int:
        return 0 if self.outlet is None else self.outlet.room()

    # -- what the network tells it (network.pipe.End) ----------------------------------------

    def received(self, data: bytes) -> None:
        if self.state is State.CLOSED:
            # Nobody is there to read it (RFC 9293, section 3.10.7.1).
            if self.outlet is not None:
                self.outlet.abort()
            return
        self.received_bytes += data
        self.changed()

    def ended(self) -> None:
        self.over = True
        self.changed()

    def broken(self) -> None:
        # As `tcp_reset` in Linux: what has arrived can still be read, and a writer that had read
        # the end of the stream before gets an error of its own.
        if self.state is not State.CLOSED:
            writes_on = self.over and not self.write_shut
            self.error = errno.EPIPE if writes_on else errno.ECONNRESET
            self.over = self.write_shut = True
            self.changed()

    def has_room(self) -> None:
        """The receiver has taken some bytes: a write need not wait any more."""
        self.changed()

    # -- what is done with it ----------------------------------------------------------------

    def join(self, write: Callable[[bytes], None], outlet: "Pipe", inlet: "Pipe") -> None:
        """Become connected: `write` sends on `outlet`, and bytes come from `inlet`."""
        self.state = State.CONNECTED
        self.write, self.outlet, self.inlet = write, outlet, inlet
        outlet.sender = self
        inlet.attach(self)
        self.changed()

    def refuse(self) -> None:
        """Nobody listens at the address that it was connecting to."""
        self.state = State.FRESH
        self.error = errno.ECONNREFUSED
        self.over = self.write_shut = True
        self.changed()

    def take_error(self) -> int:
        """Return the pending error and clear it."""
        found, self.error = self.error, 0
        return found

    def take(self, size: int, *, peek: bool = False) -> bytes:
        """At most `size` of the bytes that have arrived."""
        buffer = self.received_bytes
        if size >= len(buffer):
            data = bytes(buffer)
            if not peek:
                buffer.clear()
        else:
            data = bytes(buffer[:size])
            if not peek:
                del buffer[:size]
        if data and not peek and self.inlet is not None:
            self.inlet.taken(len(data))
        return data

    def shut_write(self) -> None:
        if not self.write_shut:
            self.write_shut = True
            if self.outlet is not None:
                self.outlet.finish()
            self.changed()

    def shut_read(self) -> None:
        self.over = True
        self.changed()

    def release(self) -> None:
        """Drop one descriptor; dropping the last one closes the endpoint."""
        self.holders -= 1
        if not self.holders:
            self.close()

    def perish(self) -> None:
        """Close it as the operating system does when its process dies, even if descriptors still
        refer to it."""
        self.close()
        self.on_close.clear()

    def close(self, *, reset: bool = False) -> None:
        """Close it. Unread bytes make that a reset (RFC 2525, section 2.17), and so does a linger
        time of 0 (socket(7))."""
        was, self.state = self.state, State.CLOSED
        for watch in self.watches:
            watch.closed()
        self.watches.clear()
        if was is State.CONNECTED and self.outlet is not None:
            reset = reset or self.options.get(_LINGER) == _NO_LINGER
            if reset or (self.received_bytes and not self.paired):
                self.outlet.abort()
            elif not self.write_shut:
                self.outlet.finish()
        for action in self.on_close:
            action()


def _nowhere(_data: bytes) -> None:
    raise OSError(errno.ENOTCONN, "not connected")


class Direct:
    """The direction from one end of a `socketpair()` to the other."""

    CAPACITY: Final = 212_992
    """Linux's net.core.wmem_default."""

    def __init__(self, sender: Endpoint, receiver: Endpoint) -> None:
        self._sender = sender
        self._receiver = receiver

    def send(self, data: bytes) -> None:
        if self._receiver.state is State.CLOSED:
            raise OSError(errno.EPIPE, os.strerror(errno.EPIPE))
        self._receiver.received(data)

    def finish(self) -> None:
        self._receiver.ended()

    def abort(self) -> None:
        self._receiver.ended()

    def room(self) -> int:
        return self.CAPACITY - len(self._receiver.received_bytes)

    def taken(self, size: int) -> None:
        """The receiver calls this."""
        if self.room() - size <= 0:
            self._sender.has_room()


def pair(kernel: Kernel) -> tuple[Endpoint, Endpoint]:
    """Two connected endpoints without a network in between."""
    one, other = Endpoint(kernel), Endpoint(kernel)
    there, back = Direct(one, other), Direct(other, one)
    one.outlet, one.inlet = there, back
    other.outlet, other.inlet = back, there
    for end in (one, other):
        end.paired = True
        end.state = State.CONNECTED
    one.write, other.write = there.send, back.send
    return one, other
