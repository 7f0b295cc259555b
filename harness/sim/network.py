"""The network: TCP connections in memory, byte for byte, on virtual time.

A connection is two pipes. A pipe delivers chunks in order, each no earlier than its link's
latency allows; TCP never reorders (RFC 9293), so neither do we. Ends are told of data, of the
end of the stream, and of a reset; nothing else is observable on a real socket.

Not modelled: packet sizes and bandwidth, and back-pressure (a sender never has to wait, as if the
socket buffers of the operating system were large).
"""

import random
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from harness.schedule import Link, LinkKind
from harness.schedule import Network as NetworkSchedule
from harness.sim.kernel import MILLISECOND, Kernel

HOST = "127.0.0.1"
FIRST_CLIENT_PORT = 50_001


class End(Protocol):
    """What a pipe delivers to. Called outside every strand: must not block."""

    def received(self, data: bytes) -> None: ...

    def ended(self) -> None:
        """The peer sends nothing more."""

    def broken(self) -> None:
        """The connection was reset."""


@dataclass(slots=True)
class _Chunk:
    at_ns: int
    data: bytes | None
    """None: the end of the stream."""


class Pipe:
    """One direction of a connection."""

    def __init__(self, kernel: Kernel, name: str, link: Link, rng: random.Random) -> None:
        self.link = link
        self.sent = 0
        """Bytes given to the pipe so far."""
        self.end: End | None = None
        self._kernel = kernel
        self._name = name
        self._rng = rng
        self._flying: deque[_Chunk] = deque()
        self._timer_set = False
        self._last_at_ns = 0
        self._stalled_until_ns = 0
        self._closed = False
        self._reset = False
        self._delivered = 0
        self._marks: deque[tuple[int, Callable[[], object]]] = deque()

    def send(self, data: bytes) -> None:
        # An empty write is no write: delivered, it would read as the end of the stream.
        if data and not self._closed:
            self.sent += len(data)
            self._kernel.trace.note_bytes(self._name, data)
            self._launch(data)

    def finish(self) -> None:
        """Send the end of the stream (FIN) after what is under way."""
        if not self._closed:
            self._closed = True
            self._launch(None)

    def mark(self, action: Callable[[], object]) -> None:
        """Do `action` when everything sent so far has been delivered."""
        if self._delivered >= self.sent:
            action()
        else:
            self._marks.append((self.sent, action))

    def stall(self, until_ns: int) -> None:
        self._stalled_until_ns = max(self._stalled_until_ns, until_ns)

    def drop(self) -> None:
        """Deliver nothing more and tell nobody."""
        self._closed = True
        self._flying.clear()

    def reset(self) -> None:
        """Tell the receiver that the connection is gone; what was under way is lost."""
        self.drop()
        self._reset = True
        if self.end is not None:
            self.end.broken()

    def attach(self, end: End) -> None:
        self.end = end
        if self._reset:
            # It came before the accept, which then gives a connection that is broken already.
            end.broken()
        self._plan()

    def _launch(self, data: bytes | None) -> None:
        delay_ns = round(self.link.latency_ms * MILLISECOND)
        if self.link.jitter_ms:
            delay_ns += round(self._rng.random() * self.link.jitter_ms * MILLISECOND)
        at_ns = max(self._last_at_ns, self._kernel.now_ns + delay_ns)
        self._last_at_ns = at_ns
        self._flying.append(_Chunk(at_ns, data))
        self._plan()

    def _plan(self) -> None:
        if self._flying and self.end is not None and not self._timer_set:
            self._timer_set = True
            due_ns = max(self._flying[0].at_ns, self._stalled_until_ns)
            self._kernel.call_at(due_ns, self._deliver)

    def _deliver(self) -> None:
        self._timer_set = False
        if self._flying and self.end is not None and self._stalled_until_ns <= self._kernel.now_ns:
            chunk = self._flying.popleft()
            if chunk.data is None:
                self.end.ended()
            else:
                self._delivered += len(chunk.data)
                self.end.received(chunk.data)
                while self._marks and self._marks[0][0] <= self._delivered:
                    self._marks.popleft()[1]()
        self._plan()


class Connection:
    """A TCP connection: `up` leads to the server, `down` to the client."""

    def __init__(
        self,
        kernel: Kernel,
        schedule: NetworkSchedule,
        entropy: int,
        number: int,
        kind: LinkKind,
        nth: Counter[LinkKind],
    ) -> None:
        self.number = number
        self.peer = FIRST_CLIENT_PORT + number
        """The client's port, by which the server knows the connection."""
        self.kind = kind
        self.alive = True
        self._schedule = schedule
        self._nth = nth
        link = self._link(kind)
        self.up, self.down = (
            Pipe(kernel, f"{number}{way}", link, random.Random(f"{entropy} {number} {way}"))
            for way in ("up", "down")
        )

    def client_writes(self, data: bytes) -> None:
        """The client's first bytes tell what the connection is for."""
        if self.up.sent == 0 and data:
            kind: LinkKind = "socket" if b"upgrade: websocket" in data.lower() else "rest"
            if kind != self.kind:
                self._nth[self.kind] -= 1
                self.kind = kind
                self.up.link = self.down.link = self._link(kind)
        self.up.send(data)

    def reset(self) -> None:
        """Both ends see a reset."""
        self.alive = False
        self.up.reset()
        self.down.reset()

    def _link(self, kind: LinkKind) -> Link:
        self._nth[kind] += 1
        for link in self._schedule.connections:
            if (link.kind, link.nth) == (kind, self._nth[kind]):
                return link
        return self._schedule.socket if kind == "socket" else self._schedule.rest


class Network:
    """Listeners and connections of one trial."""

    def __init__(self, kernel: Kernel, schedule: NetworkSchedule, entropy: int) -> None:
        self.kernel = kernel
        self.connections: list[Connection] = []
        self._schedule = schedule
        self._entropy = entropy
        self._listeners: dict[int, Callable[[Connection], None]] = {}
        self._numbers = count()
        self._nth: Counter[LinkKind] = Counter()
        self._refused_until_ns: dict[LinkKind, int] = {}

    def listen(self, port: int, accept: Callable[[Connection], None]) -> None:
        """`accept` is called outside every strand when a client has connected."""
        if port in self._listeners:
            raise OSError(98, f"port {port} of the simulated network is in use")
        self._listeners[port] = accept

    def unlisten(self, port: int) -> None:
        self._listeners.pop(port, None)

    def refuse(self, kind: LinkKind, until_ns: int) -> None:
        """Refuse new connections of a kind (RFC 9293, section 3.5.2: a SYN that is reset)."""
        self._refused_until_ns[kind] = max(until_ns, self._refused_until_ns.get(kind, 0))

    def connect(
        self, port: int, kind: LinkKind, done: Callable[[Connection | None], None]
    ) -> None:
        """Open a connection; `done` gets it after one round trip, or None if it is refused."""
        number = next(self._numbers)
        connection = Connection(
            self.kernel, self._schedule, self._entropy, number, kind, self._nth
        )
        one_way_ns = round(connection.up.link.latency_ms * MILLISECOND)
        start_ns = self.kernel.now_ns

        def arrive() -> None:
            accept = self._listeners.get(port)
            if accept is None or self.kernel.now_ns < self._refused_until_ns.get(kind, 0):
                self.kernel.call_at(start_ns + 2 * one_way_ns, lambda: done(None))
                return
            self.connections.append(connection)
            self.kernel.call_at(start_ns + 2 * one_way_ns, lambda: done(connection))
            # The server's accept() returns with the last part of the handshake.
            self.kernel.call_at(start_ns + 3 * one_way_ns, lambda: accept(connection))

        self.kernel.call_at(start_ns + one_way_ns, arrive)

    def newest(self, kind: LinkKind) -> Connection | None:
        """The newest living connection of a kind, if there is one."""
        for connection in reversed(self.connections):
            if connection.alive and connection.kind == kind:
                return connection
        return None

    def by_peer(self, peer: int) -> Connection | None:
        for connection in self.connections:
            if connection.peer == peer:
                return connection
        return None
