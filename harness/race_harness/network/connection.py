"""TCP connections: two pipes each, with the links that the schedule gives them."""

import random
import re
import struct
from collections import Counter
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Final

from race_harness.model.schedule import Fault, Gateway, Link, LinkKind
from race_harness.model.schedule import Network as NetworkSchedule
from race_harness.network.dialect import Dialect
from race_harness.network.gateway import Gatekeeper
from race_harness.network.pipe import MILLISECOND, Clock, Pipe
from race_harness.network.tap import Tap, Taps

_KINDS: Final[tuple[LinkKind, ...]] = ("rest", "socket", "raw")
_REQUEST: Final = re.compile(rb"[A-Z]{3,10} (?:https?://[^/ ]*)?([/*][^ ?#]*)")
"""The first bytes of an HTTP client (RFC 9112, section 3)."""
_MAY_BE_REQUEST: Final = re.compile(rb"[A-Z]{1,10}(?: |\Z)")


INTERJECTED: Final = b"\x81\x1bThe gateway says: be quick."
"""A frame of text (RFC 6455, section 5.2)."""


class Connection:
    """A TCP connection: `up` leads to the server, `down` to the client.

    The client's first bytes show what it is for. Until then its link is that of REST, and its
    handshake takes as long as on the fastest link that it may get; the first bytes make up for the
    rest.
    """

    def __init__(
        self,
        taps: Taps,
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
        """None: the client has sent nothing yet."""
        self.path = ""
        """The path of its first request."""
        self.number_of_kind = 0
        """Its number among those of its kind, from one: schedules assign links by it."""
        self.alive = True
        self.on_kind: Callable[[LinkKind], None] | None = None
        """Called with the kind when it is known, before the first bytes are sent."""
        self.gatekeeper: Gatekeeper | None = None
        """None: there is no gateway with limits."""
        self._interjections = 0
        """How many frames of the gateway wait for the end of a frame of the server."""
        self._hung_up = False
        """Whether a gateway has closed both sides."""
        self._taps = taps
        self._tap: Tap | None = None
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
        """Send the client's bytes; the first ones show what the connection is for."""
        if self.kind is None and data:
            self.is_for(*purpose_of(data))
        if self._hung_up:
            if self.gatekeeper is not None:
                self.gatekeeper.lost(self)
            return
        self.up.send(data)
        if self._tap is not None:
            self._tap.client_wrote(data)
        if self.gatekeeper is not None:
            self.gatekeeper.passed(self)

    def server_writes(self, data: bytes) -> None:
        if self._hung_up:
            return
        self.down.send(data)
        if self._tap is not None:
            self._tap.server_wrote(data)
        if self._interjections:
            self._interject()
        if self.gatekeeper is not None:
            self.gatekeeper.passed(self)

    def interject(self) -> None:
        """Send the client a frame that is not the server's, after the one under way."""
        self._interjections += 1
        self._interject()

    def _interject(self) -> None:
        if self._interjections and self._tap is not None and self._tap.between_frames:
            self.down.send(INTERJECTED * self._interjections)
            self._interjections = 0

    def client_left(self) -> None:
        """The client has closed its end."""
        self.alive = False
        if self._tap is not None:
            self._tap.client_left()

    def server_left(self) -> None:
        """The server has closed its end."""
        if self._tap is not None:
            # The answer that this ends has not arrived yet: a fault may still strike it.
            self._tap.server_left()
        self.alive = False

    def is_for(self, kind: LinkKind, path: str) -> None:
        """Take the link of this kind. The client is about to send its first bytes."""
        link = self._next_link(kind)
        self._nth[kind] += 1
        self.kind, self.path, self.number_of_kind = kind, path, self._nth[kind]
        if kind != "raw":
            self._tap = self._taps.on(self.up, self.down, self.peer, lambda: self.number_of_kind)
        self.up.link = self.down.link = link
        self.up.delay_next(2 * (round(link.latency_ms * MILLISECOND) - self.handshake_ns))
        if self.on_kind is not None:
            self.on_kind(kind)
        self._taps.trace.tell("wire", "connection-opened", peer=self.peer, link=kind)

    def follow(self, schedule: NetworkSchedule) -> None:
        """Take the links of another schedule, from now on."""
        self._schedule = schedule
        if self.kind is not None:
            self.up.link = self.down.link = self._next_link(self.kind)
            self._nth[self.kind] += 1
            self.number_of_kind = self._nth[self.kind]

    def reset(self) -> None:
        """Both ends see a reset."""
        self.alive = False
        self.up.reset()
        self.down.reset()

    def close(self, code: int) -> None:
        """Close it as a proxy or load balancer does: say goodbye to both sides, if they speak
        WebSocket, and hang up."""
        is_socket = self.kind == "socket"
        self.down.say_last(close_frame(code, masked=False) if is_socket else b"")
        self.up.say_last(close_frame(code, masked=True) if is_socket else b"")
        self.alive = False

    def unanswered(self) -> object | None:
        """The oldest request whose answer has not begun; None: there is none."""
        return None if self._tap is None else self._tap.unanswered()

    @property
    def awaits(self) -> bool:
        """Whether a request is not answered in full."""
        return self._tap is not None and self._tap.awaits

    def turn_away(self) -> None:
        """Let nothing through to either side, not even the first bytes."""
        self._hung_up, self.alive = True, False

    def say_and_leave(self, says: bytes) -> None:
        """Answer a client that was turned away, and end it for both sides."""
        self.hang_up(says)

    def hang_up(self, says: bytes = b"") -> bool:
        """Hang up as a gateway does, after an answer of its own; return whether this loses bytes
        of the client that were under way."""
        self.alive = False
        if says:
            self.down.send(says)
            if self._tap is not None:
                self._tap.server_wrote(says)
        self._hung_up = True
        self.down.finish()
        return self.up.cut()

    def _next_link(self, kind: LinkKind) -> Link:
        """The link of the next connection of that kind."""
        nth = self._nth[kind] + 1
        for link in self._schedule.connections:
            if (link.kind, link.nth) == (kind, nth):
                return link
        return self._schedule.socket if kind == "socket" else self._schedule.rest


class Connections:
    """All connections of a trial, in the order in which they were made."""

    def __init__(
        self, clock: Clock, dialect: Dialect, failed: Callable[[str], None], gateway: Gateway
    ) -> None:
        self.clock = clock
        self.taps = Taps(clock.trace, dialect, failed)
        self.connections: list[Connection] = []
        self.gatekeeper = Gatekeeper(clock, gateway, self.connections)
        self._refusals: list[tuple[Fault, int]] = []
        self._purposes: list[tuple[LinkKind, str]] = []
        """Kind and path of all connections whose clients have sent something, in that order."""

    def guard(self, connection: Connection) -> None:
        """Let the gateway follow the connection, if there is one with limits."""
        if self.gatekeeper.minds:
            connection.gatekeeper = self.gatekeeper

    def refuse(self, fault: Fault, until_ns: int) -> None:
        """Hang up on the new connections that the fault names, like a proxy that cannot reach the
        server: a reset answers their first bytes, which show what they are for."""
        self._refusals.append((fault, until_ns))

    def refuses(self, kind: LinkKind, path: str, at_ns: int) -> bool:
        """Whether to hang up on a connection that was requested at this instant. Call it once for
        each connection, when it is known what it is for."""
        self._purposes.append((kind, path))
        return any(
            at_ns < until_ns
            and _names(fault, kind, path)
            and fault.nth in (None, sum(_names(fault, *one) for one in self._purposes))
            for fault, until_ns in self._refusals
        )

    def names(self, fault: Fault, connection: Connection) -> bool:
        """Whether a fault is about that connection."""
        return connection in self._named(fault)

    def struck(self, fault: Fault) -> Connection | None:
        """The newest living connection that a fault is about."""
        living = [one for one in self._named(fault) if one.alive]
        return living[-1] if living else None

    def _named(self, fault: Fault) -> list[Connection]:
        named = [one for one in self.connections if one.kind and _names(fault, one.kind, one.path)]
        return named if fault.nth is None else named[fault.nth - 1 : fault.nth]

    def by_peer(self, peer: int) -> Connection | None:
        for connection in self.connections:
            if connection.peer == peer:
                return connection
        return None

    def tell_busy(self) -> None:
        """Record for how long each connection was busy because of its link's limited bandwidth."""
        for connection in self.connections:
            busy_ns = connection.up.busy_ns + connection.down.busy_ns
            if busy_ns:
                self.clock.trace.record(
                    *("network", "was-busy"),
                    link=connection.kind,
                    peer=connection.peer,
                    for_ms=busy_ns / MILLISECOND,
                )


def _names(fault: Fault, kind: LinkKind, path: str) -> bool:
    """Whether a fault is about connections of that kind whose first request has that path."""
    return kind == fault.link and (fault.path is None or fnmatchcase(path, fault.path))


def purpose_of(first_bytes: bytes) -> tuple[LinkKind, str]:
    """What a connection is for, as the client's first bytes show (RFC 6455, section 4.1), and the
    path of its first request."""
    request = _REQUEST.match(first_bytes)
    if request is None:
        return "raw", ""
    is_socket = b"upgrade: websocket" in first_bytes.lower()
    return "socket" if is_socket else "rest", request[1].decode("latin-1")


def may_be_request(first_bytes: bytes) -> bool:
    """Whether these may be the first bytes of an HTTP head."""
    return _MAY_BE_REQUEST.match(first_bytes) is not None


def close_frame(code: int, *, masked: bool) -> bytes:
    """A WebSocket close frame without a reason (RFC 6455, sections 5.2 and 5.5.1).

    A client's frame gets a mask of zeros here, which is legal.
    """
    payload = struct.pack("!H", code)
    if masked:
        return bytes([0x88, 0x80 | len(payload)]) + bytes(4) + payload
    return bytes([0x88, len(payload)]) + payload
