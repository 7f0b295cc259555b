"""TCP connections: two pipes each, with the links that the schedule gives them."""

import random
import struct
from collections import Counter
from collections.abc import Callable
from typing import Final

from race_harness.model.schedule import Link, LinkKind
from race_harness.model.schedule import Network as NetworkSchedule
from race_harness.model.trace import Happening
from race_harness.network.pipe import MILLISECOND, Clock, Pipe

_KINDS: Final[tuple[LinkKind, ...]] = ("rest", "socket")


class Connection:
    """A TCP connection: `up` leads to the server, `down` to the client.

    What it is for is told by the client's first bytes. Until then its link is that of REST, and
    its handshake takes as long as on the faster of the links that it may get; the first bytes make
    up for the rest.
    """

    def __init__(
        self,
        clock: Clock,
        schedule: NetworkSchedule,
        entropy: int,
        number: int,
        peer: int,
        nth: Counter[LinkKind],
        pipe: type[Pipe] = Pipe,
    ) -> None:
        self.number = number
        self.peer = peer
        """The client's port, by which the server knows the connection."""
        self.kind: LinkKind | None = None
        """None: it has said nothing yet."""
        self.alive = True
        self.on_kind: Callable[[LinkKind], None] | None = None
        """Called with the kind when it is known, before the first bytes are sent."""
        self._clock = clock
        self._schedule = schedule
        self._nth = nth
        latency_ms = min(self._next_link(kind).latency_ms for kind in _KINDS)
        self.handshake_ns = round(latency_ms * MILLISECOND)
        """One way."""
        self.up, self.down = (
            pipe(
                clock, f"{number}{way}", schedule.rest, random.Random(f"{entropy} {number} {way}")
            )
            for way in ("up", "down")
        )

    def client_writes(self, data: bytes) -> None:
        """The client's first bytes tell what the connection is for."""
        if self.kind is None and data:
            self.is_for(kind_of(data))
        self.up.send(data)

    def is_for(self, kind: LinkKind) -> None:
        """Take the link of this kind. The client is about to send its first bytes."""
        link = self._next_link(kind)
        self._nth[kind] += 1
        self.kind = kind
        self.up.link = self.down.link = link
        self.up.delay_next(2 * (round(link.latency_ms * MILLISECOND) - self.handshake_ns))
        if self.on_kind is not None:
            self.on_kind(kind)

    def reset(self) -> None:
        """Both ends see a reset."""
        self.alive = False
        self.up.reset()
        self.down.reset()

    def close(self, code: int) -> None:
        """As a proxy or load balancer does: it says goodbye to both sides and hangs up."""
        self.down.say_last(close_frame(code, masked=False))
        self.up.say_last(close_frame(code, masked=True))
        self.alive = False

    def _next_link(self, kind: LinkKind) -> Link:
        """Of the next connection of that kind."""
        nth = self._nth[kind] + 1
        for link in self._schedule.connections:
            if (link.kind, link.nth) == (kind, nth):
                return link
        return self._schedule.socket if kind == "socket" else self._schedule.rest


class Connections:
    """All connections of a trial, in the order in which they were made."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.connections: list[Connection] = []
        self._refused_until_ns: dict[LinkKind, int] = {}

    def refuse(self, kind: LinkKind, until_ns: int) -> None:
        """Hang up on new connections of a kind, as a proxy does that cannot reach what is behind
        it: a reset answers their first bytes, which tell of the kind."""
        self._refused_until_ns[kind] = max(until_ns, self._refused_until_ns.get(kind, 0))

    def refuses(self, kind: LinkKind, at_ns: int) -> bool:
        """Whether a connection of that kind is hung up on that was asked for at this instant."""
        return at_ns < self._refused_until_ns.get(kind, 0)

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

    def tell_busy(self) -> None:
        """Record for how long each connection was busy because its link carries only so much."""
        for connection in self.connections:
            busy_ns = connection.up.busy_ns + connection.down.busy_ns
            if busy_ns:
                self.clock.trace.record(
                    *("network", "was-busy"),
                    link=connection.kind,
                    peer=connection.peer,
                    for_ms=busy_ns / MILLISECOND,
                )

    def mark_deliveries(self) -> None:
        """Note when a frame that the server wrote has reached the client."""
        trace = self.clock.trace

        def notice(happening: Happening) -> None:
            if happening.what == "frame-sent":
                self.clock.do(lambda: mark(**happening.detail))

        def mark(event: str, peer: int, **_: object) -> None:
            connection = self.by_peer(peer)
            if connection is not None:
                connection.down.mark(
                    lambda at_ns: trace.record(
                        "socket", "frame-delivered", at_ns=at_ns, event=event, peer=peer
                    )
                )

        trace.listeners.append(notice)


def kind_of(first_bytes: bytes) -> LinkKind:
    """A client's first bytes tell what its connection is for (RFC 6455, section 4.1)."""
    return "socket" if b"upgrade: websocket" in first_bytes.lower() else "rest"


def close_frame(code: int, *, masked: bool) -> bytes:
    """A WebSocket close frame without a reason (RFC 6455, sections 5.2 and 5.5.1).

    The mask of zeros that a client's frame gets here is a legal one.
    """
    payload = struct.pack("!H", code)
    if masked:
        return bytes([0x88, 0x80 | len(payload)]) + bytes(4) + payload
    return bytes([0x88, len(payload)]) + payload
