"""What a gateway beside the server does because of its limits: see `model.schedule.Gateway`.

It notices bytes when a connection gets them, and sits where the server is: its answers take the
way down, and bytes on the way up to a connection that it has closed are lost.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, Protocol

from race_harness.model.schedule import Gateway, LinkKind
from race_harness.model.trace import Happening
from race_harness.network.pipe import Clock

SECOND: Final = 1_000_000_000

_BEGINS: Final = ("run-called", "test-called")


class Guarded(Protocol):
    """What a gateway can see and do of a connection."""

    peer: int
    kind: LinkKind | None
    alive: bool

    @property
    def awaits(self) -> bool: ...

    def unanswered(self) -> object | None: ...

    def hang_up(self, says: bytes = b"") -> bool: ...


class Gatekeeper:
    """Enforces the limits of one network's gateway."""

    def __init__(self, clock: Clock, gateway: Gateway, connections: Sequence[Guarded]) -> None:
        self._clock = clock
        self._gateway = gateway
        self._connections = connections
        self._begun_ns: int | None = None
        """When the limits began to apply; None: they do not yet."""
        self._heard_ns: dict[int, int] = {}
        """When each connection, by its port, last carried something."""
        self._watched: set[int] = set()
        self._lost: set[int] = set()
        self._timed: dict[int, object] = {}
        """For each connection, by its port, the request whose answer has a time limit."""
        if self.minds:
            if gateway.since == "start":
                self._begun_ns = 0
            else:
                clock.trace.listeners.append(self._notice)

    @property
    def minds(self) -> bool:
        """Whether it has any limits."""
        gateway = self._gateway
        return not (gateway.answer_s is gateway.idle_s is gateway.connections is None)

    def follow(self, gateway: Gateway) -> None:
        """Take the limits of another gateway from now on; before there were none."""
        self._gateway = gateway
        if self.minds:
            self._begin()

    def full(self, new: Guarded | None = None) -> bool:
        """Whether one more connection, whose purpose is now known, is one too many."""
        most = self._gateway.connections
        if most is None or self._begun_ns is None:
            return False
        others = [one for one in self._connections if one is not new]
        return sum(one.alive and one.kind is not None for one in others) >= most

    def turned_away(self, kind: LinkKind, peer: int) -> bytes | None:
        """Record that a connection is turned away; the answer to it, or None for a reset."""
        self._lost.add(peer)
        self._record("turned-away", kind, peer=peer)
        return None if self._gateway.beyond == "reset" else answer(503, "Service Unavailable")

    def passed(self, connection: Guarded) -> None:
        """Note that a connection has carried something."""
        self._heard_ns[connection.peer] = self._clock.now_ns
        if self._begun_ns is None:
            return
        self._watch(connection)
        asked = connection.unanswered()
        timed = self._timed.get(connection.peer)
        if self._gateway.answer_s is not None and asked is not None and asked is not timed:
            self._timed[connection.peer] = asked
            due_ns = self._clock.now_ns + round(self._gateway.answer_s * SECOND)
            self._clock.call_at(due_ns, partial(self._give_up, connection, asked))

    def lost(self, connection: Guarded) -> None:
        """Note that the client has sent something on a connection that is closed."""
        if connection.peer not in self._lost:
            self._lost.add(connection.peer)
            self._record("lost-request", connection.kind or "raw", peer=connection.peer)

    def _notice(self, happening: Happening) -> None:
        if happening.what in _BEGINS and self._begun_ns is None:
            self._begin()

    def _begin(self) -> None:
        self._begun_ns = self._clock.now_ns
        self._clock.do(self._watch_all)

    def _watch_all(self) -> None:
        for connection in self._connections:
            if connection.alive and connection.kind is not None:
                self._watch(connection)

    def _watch(self, connection: Guarded) -> None:
        if self._gateway.idle_s is not None and connection.peer not in self._watched:
            self._watched.add(connection.peer)
            self._look_later(connection, self._clock.now_ns)

    def _look_later(self, connection: Guarded, since_ns: int) -> None:
        assert self._gateway.idle_s is not None
        # However short the limit, at least a millisecond lies between two looks.
        due_ns = max(
            since_ns + round(self._gateway.idle_s * SECOND), self._clock.now_ns + SECOND // 1_000
        )
        self._clock.call_at(due_ns, partial(self._look, connection, due_ns))

    def _look(self, connection: Guarded, due_ns: int) -> None:
        """Close the connection if it has been idle for too long, else look again later."""
        if not connection.alive:
            return
        assert self._gateway.idle_s is not None
        heard_ns = max(self._heard_ns.get(connection.peer, 0), self._begun_ns or 0)
        if connection.awaits:
            heard_ns = max(heard_ns, due_ns)
        if due_ns - heard_ns < round(self._gateway.idle_s * SECOND):
            self._look_later(connection, heard_ns)
            return
        self._record("idle-closed", connection.kind or "raw", peer=connection.peer)
        if connection.hang_up():
            self.lost(connection)

    def _give_up(self, connection: Guarded, asked: object) -> None:
        if not connection.alive or connection.unanswered() is not asked:
            return
        trace, peer = self._clock.trace, connection.peer
        if connection.kind == "rest":
            after_s = self._gateway.answer_s
            trace.record("rest", "fault", action="gave-up", peer=peer, after_s=after_s)
        else:
            self._record("gave-up", connection.kind or "raw", peer=peer)
        connection.hang_up(answer(504, "Gateway Timeout"))

    def _record(self, action: str, link: LinkKind, **detail: Any) -> None:
        self._clock.trace.record("network", "fault", action=action, link=link, **detail)


def answer(status: int, reason: str) -> bytes:
    """A whole HTTP answer (RFC 9112, section 4), after which the connection ends."""
    body = b'{"detail":"The gateway says no."}'
    head = (
        f"HTTP/1.1 {status} {reason}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
