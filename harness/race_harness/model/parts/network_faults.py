"""What breaks between client and server."""

from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from race_harness.model.parts.field_types import STRICT, Milliseconds, Nth, Seconds
from race_harness.model.parts.links import ConnectionLink, Link, LinkKind
from race_harness.model.parts.moment import Moment


@dataclass(frozen=True)
class Fault:
    """One thing that the network does to a connection, or to connections that are still to come.

    reset      both ends see a TCP reset (RFC 9293, section 3.5.2)
    close      the server sends a WebSocket close frame (RFC 6455, section 5.5.1); on a connection
               that is no WebSocket, both ends see the end of the stream
    stall      nothing is delivered for a while; then TCP delivers all of it
    half-open  nothing is delivered any more, and neither end learns of it
    refuse     for a while, new connections are reset once their first bytes have shown their kind,
               as by a proxy that cannot reach its server
    reject     the next connection is closed with `code` as soon as it is subscribed
    interject  the client gets a frame that is neither the server's nor JSON: a gateway that speaks
               WebSocket itself may send its own text (RFC 6455, section 5.6, requires only that
               text is UTF-8)

    `stall` and `half-open` may affect only one direction (`way`): packets may take different
    routes there and back, and a firewall may drop those of one direction. TCP resends what is lost
    until it arrives (RFC 9293, section 3.8.1), so nothing is ever missing in the middle of a
    stream.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    action: Literal["reset", "close", "stall", "half-open", "refuse", "reject", "interject"]
    at: Moment = field(default_factory=Moment)
    link: LinkKind = "socket"
    nth: Nth | None = None
    """Which connection of that kind, counted from one in the order of connecting. None: the newest
    one that is open; for `refuse`, any."""
    path: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Only connections whose first request has this path, such as `/sockets/*`; `*` matches
    anything."""
    code: Annotated[int, Field(ge=1000, le=4999)] = 1001
    """For `close` and `reject` only."""
    for_ms: Milliseconds = 0.0
    """For `stall` and `refuse` only."""
    there: bool = False
    """Strike the very connection on which the moment happens, instead of one that `link`, `nth`
    and `path` name. For moments of the wire, but not for `refuse` and `reject`."""
    way: Literal["both", "up", "down"] = "both"
    """For `stall` and `half-open` only: `up` leads to the server, `down` to the client."""

    def __post_init__(self) -> None:
        if self.way != "both" and self.action not in ("stall", "half-open"):
            raise ValueError(f"{self.action!r} has no way of its own, only 'both'")
        if self.there and not self.at.of_wire:
            raise ValueError(f"a moment {self.at.what!r} is on no connection to be struck there")
        if self.action == "interject" and self.link != "socket":
            raise ValueError("only a socket has frames to interject one between")
        if self.there and self.action in ("refuse", "reject"):
            raise ValueError(f"{self.action!r} is about connections to come, not about one there")


@dataclass(frozen=True)
class Gateway:
    """A reverse proxy or load balancer in front of the server, with its own limits.

    It sees connections and requests, but not what the server does with them.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    answer_s: Seconds | None = None
    """How long a request may wait for its answer. Then the gateway answers 504 itself and hangs up
    on both sides, while the server carries on with the request (RFC 9110, section 15.6.5; nginx,
    `proxy_read_timeout`, 60 s by default)."""
    idle_s: Seconds | None = None
    """How long a connection may carry no byte in either direction. Then the gateway hangs up on
    it, unless it waits for an answer; on a WebSocket, without a close frame (the same setting of
    nginx, and `keepalive_timeout`; idle timeouts of load balancers, often 60 s). Whatever the
    client sends at that time is lost (RFC 9112, section 9.3.1)."""
    connections: Nth | None = None
    """How many connections may be open at once (nginx, `limit_conn`). The number may be small,
    since other users' connections take up the rest of the limit."""
    beyond: Literal["503", "reset"] = "503"
    """What a connection beyond that number gets once its first bytes have shown its kind: an
    answer (RFC 9110, section 15.6.4; nginx, `limit_conn_status`), or a reset, as from a gateway
    that has no room left for any (nginx, `worker_connections`)."""
    since: Literal["start", "run-called"] = "run-called"
    """When the limits begin: with the trial, or with the first call of `run()`. A gateway may be
    reconfigured, or others may fill it."""


@dataclass(frozen=True)
class Network:
    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    rest: Link = field(default_factory=Link)
    """Also for `raw` connections."""
    socket: Link = field(default_factory=Link)
    connections: tuple[ConnectionLink, ...] = ()
    faults: tuple[Fault, ...] = ()
    gateway: Gateway = field(default_factory=Gateway)


Route = Literal[
    "conversation", "events", "create", "send-message", "run", "pause", "interrupt", "any"
]


@dataclass(frozen=True)
class RestFault:
    """What a proxy between client and server does to some requests of one route.

    delay     the answer takes `delay_ms` longer
    status    the client gets `status` instead (RFC 9110, section 15)
    timeout   no answer ever comes; the connection stays open
    truncate  the connection ends in the middle of the answer's body
    empty     counterfactual: a page of events that holds none and says that it is the last
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    action: Literal["delay", "status", "timeout", "truncate", "empty"]
    route: Route = "conversation"
    """`conversation`: the polls of the status. `events`: the pages of the event log."""
    nth: Nth = 1
    times: Nth = 1
    """How many consecutive requests of the route it affects, from the `nth` on."""
    since: Literal["start", "run-called"] = "run-called"
    """Where counting begins: with the trial, or with the first call of `run()`."""
    delay_ms: Milliseconds = 0.0
    status: Annotated[int, Field(ge=400, le=599)] = 503
    acted: bool = True
    """Whether the server got the request and acted on it, so that only its answer suffers."""
