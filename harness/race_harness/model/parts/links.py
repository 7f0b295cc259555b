"""The connections between client and server."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from race_harness.model.parts.field_types import STRICT, Milliseconds, Nth


@dataclass(frozen=True)
class Link:
    """One kind of TCP connection between client and server, the same both ways."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    latency_ms: Milliseconds = 0.5
    """One way."""
    jitter_ms: Milliseconds = 0.0
    """The most by which a chunk is late beyond the latency; TCP still never reorders."""
    kbit_s: Annotated[float, Field(ge=1, le=100_000_000)] | None = None
    """The bandwidth of each direction, which is limited on a shared or distant network. None: no
    limit."""
    buffer_kb: Annotated[int, Field(ge=4, le=100_000)] = 2_750
    """How much may be sent but unread, in units of 1,000 bytes, before the sender has to wait: a
    send buffer and a receive buffer, by default as large as Linux lets them grow on loopback
    (tcp(7), tcp_wmem and tcp_rmem)."""


LinkKind = Literal["socket", "rest", "raw"]
"""What a connection is for, as its client's first bytes show: a WebSocket, other HTTP requests, or
something else."""


@dataclass(frozen=True)
class ConnectionLink(Link):
    """The link of a single connection, such as the socket after a reconnect."""

    kind: LinkKind = "socket"
    nth: Nth = 2
    """Which connection of its kind, counted from one in the order of their first bytes."""
