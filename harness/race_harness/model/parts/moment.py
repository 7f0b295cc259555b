"""When something happens in a trial."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Final, Literal

from pydantic import ConfigDict, Field

from race_harness.model.parts.field_types import STRICT, Milliseconds, Nth
from race_harness.model.parts.links import LinkKind


@dataclass(frozen=True)
class Moment:
    """The `nth` time that something happens, since the trial began or `run()` was called."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    what: Literal[
        "run-called",
        "run-returned",
        "run-requested",
        "run-accepted",
        "run-answered",
        "run-started",
        "run-ended",
        "run-cleared",
        "persisted",
        "frame-sent",
        "frame-delivered",
        "snapshot-sent",
        "subscribed",
        "polled",
        "connection-opened",
        "request-sent",
        "request-received",
        "request-answered",
        "frame-up",
        "frame-down",
    ] = "run-called"
    """The last six are moments of the wire, which exist for any server:

    connection-opened  the client is about to send a connection's first bytes, which show its kind
    request-sent       the client has sent the head of an HTTP request, or of a WebSocket handshake
    request-received   that head has reached the server
    request-answered   the server has sent the last byte of the answer
    frame-up           the client has sent a whole message over a WebSocket
    frame-down         the server has sent one
    """
    nth: Nth = 1
    after_ms: Milliseconds = 0.0
    since: Literal["start", "run-called"] = "start"
    """Where counting begins. `run-called`: the first call of `run()`. From there on, every release
    counts events alike, while earlier events differ. In your own test, both mean its call."""
    request: Annotated[str, Field(min_length=3, max_length=200)] | None = None
    """For moments of requests: only those with this method and path, such as `POST /votes`; `*`
    matches anything."""
    link: LinkKind | None = None
    """For `connection-opened`: only connections of this kind."""
    socket: Nth | None = None
    """For `frame-up` and `frame-down`: only those of this WebSocket, counted as for its link."""

    @property
    def of_wire(self) -> bool:
        """Whether it happens on a connection, whatever the server is."""
        return self.what in _WIRE

    def __post_init__(self) -> None:
        for name, kind in (("request", "request-"), ("link", "connection-"), ("socket", "frame-")):
            fits = self.of_wire and self.what.startswith(kind)
            if getattr(self, name) is not None and not fits:
                raise ValueError(f"a moment {self.what!r} has no {name!r}")
        if self.request is not None and not all(self.request.partition(" ")):
            raise ValueError(f"{self.request!r} is no method and path, such as 'GET /*'")


_WIRE: Final = (
    *("connection-opened", "request-sent", "request-received", "request-answered"),
    *("frame-up", "frame-down"),
)
