"""Listens in on connections: requests, answers and frames, from nothing but their bytes.

A request is recorded when the last byte of its head has been delivered to the server, an answer
when its last byte has been written, a message of a WebSocket then and when it has been delivered.
Connections that speak neither HTTP/1.1 nor WebSocket are ignored.
"""

import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any
from urllib.parse import unquote, urlsplit

from race_harness.model.trace import Trace
from race_harness.network.dialect import Dialect
from race_harness.network.framing import Head, Reading, StrangeError, Stream
from race_harness.network.messages import Messages, UnreadableError
from race_harness.network.pipe import Pipe


@dataclass(slots=True)
class _Exchange:
    """A request and its answer."""

    method: str
    path: str
    route: str
    opens_socket: bool
    """Whether it asks for a WebSocket. Of those only the messages are recorded."""
    number: int | None = None
    """None: the request has not reached the server yet."""
    status: int | None = None
    body: list[bytes] = field(default_factory=list)
    by: str | None = None
    """The sender; see `Happening.by`."""


class Taps:
    """The taps of one network: requests are numbered from one, over all connections.

    `failed` is called with the reason why there is no verdict, if the dialect fails.
    """

    def __init__(self, trace: Trace, dialect: Dialect, failed: Callable[[str], None]) -> None:
        self.trace = trace
        self.dialect = dialect
        self.failed = failed
        self.numbers: Iterator[int] = count(1)

    def on(self, up: Pipe, down: Pipe, peer: int, socket: Callable[[], int] = lambda: 1) -> "Tap":
        """Tap a connection; `socket` gives its number among WebSockets, if it is one."""
        return Tap(self, up, down, peer, socket)


class Tap:
    """Listens to one connection. It gets bytes after the connection's pipes got them."""

    def __init__(
        self, taps: Taps, up: Pipe, down: Pipe, peer: int, socket: Callable[[], int]
    ) -> None:
        self._taps = taps
        self._trace = taps.trace
        self._dialect = taps.dialect
        self._up = up
        self._down = down
        self._peer = peer
        self._socket = socket
        self._deaf = False
        self._client_left = False
        self._exchanges: deque[_Exchange] = deque()
        """Exchanges without a complete answer."""
        self._asked, self._told = Stream(), Stream()
        self._requests, self._answers = self._read_requests(), self._read_answers()
        self._messages: Messages | None = None

    def client_wrote(self, data: bytes) -> None:
        if not self._deaf:
            self._asked.unread += data
            self._go_on(self._requests)

    def server_wrote(self, data: bytes) -> None:
        if not self._deaf:
            self._told.unread += data
            self._go_on(self._answers)

    def unanswered(self) -> object | None:
        """The oldest request whose answer has not begun; None: there is none."""
        if self._messages is not None or not self._exchanges:
            return None
        exchange = self._exchanges[0]
        return exchange if exchange.status is None else None

    @property
    def between_frames(self) -> bool:
        """Whether the server has begun to send frames, and has sent all of its last one."""
        return self._messages is not None and not self._deaf and self._messages.is_whole

    @property
    def awaits(self) -> bool:
        """Whether the server has a request that is not answered in full."""
        return self._messages is None and bool(self._exchanges)

    def client_left(self) -> None:
        """The client has closed its end: nobody gets what the server still writes."""
        self._client_left = True

    def server_left(self) -> None:
        """The server has closed its end: open requests stay without an answer."""
        if self._told.over or self._messages is not None:
            return
        self._told.over = True
        self._go_on(self._answers)
        for exchange in self._exchanges:
            if exchange.number is not None and not exchange.opens_socket:
                self._tell_answer(exchange, cut=True)

    def _go_on(self, reading: Reading) -> None:
        """Read what has come; stop listening if this is no HTTP, or unreadable."""
        if self._deaf:
            return
        try:
            next(reading)
        except (StrangeError, UnreadableError):
            self._deaf = True
        except Exception:  # Our own error must not surface where a program writes to a socket.
            self._deaf = True
            self._taps.failed(f"nobody can listen in:\n{traceback.format_exc()}")

    # -- up ----------------------------------------------------------------------------------

    def _read_requests(self) -> Reading:
        while True:
            head = yield from self._asked.head()
            method, target = head.asked()
            path = _path(target)
            route = self._words(self._dialect.route, method, path) or path
            exchange = _Exchange(
                method, path, route, head.wants_websocket, by=self._trace.author()
            )
            self._exchanges.append(exchange)
            self._up.mark(partial(self._came, exchange), before=len(self._asked.unread))
            self._tell_moment("request-sent", exchange)
            yield from self._asked.body_of_request(head)

    def _read_client_messages(self, messages: Messages | None) -> Reading:
        """If they are unreadable, the server's messages may still be readable."""
        while True:
            data = bytes(self._asked.unread)
            self._asked.unread.clear()
            if messages is not None:
                try:
                    found = messages.feed(data)
                except UnreadableError:
                    found, messages = [], None
                for _ in found:
                    self._tell_frame("frame-up")
            yield

    def _came(self, exchange: _Exchange, at_ns: int) -> None:
        if self._told.over:
            return
        if exchange.opens_socket:
            exchange.number = 0
        else:
            exchange.number = next(self._taps.numbers)
            self._trace.record(
                *("rest", "request"),
                at_ns=at_ns,
                by=exchange.by,
                method=exchange.method,
                route=exchange.route,
                number=exchange.number,
                peer=self._peer,
            )
        self._tell_moment("request-received", exchange)

    def _tell_moment(self, what: str, exchange: _Exchange) -> None:
        request = f"{exchange.method} {exchange.path}"
        self._trace.tell("wire", what, peer=self._peer, request=request)

    def _tell_frame(self, what: str) -> None:
        self._trace.tell("wire", what, peer=self._peer, socket=self._socket())

    # -- down --------------------------------------------------------------------------------

    def _read_answers(self) -> Reading:
        while True:
            head = yield from self._told.head()
            status = head.status()
            if not self._exchanges:
                raise StrangeError("an answer that nobody has asked for")
            if status == 101:
                yield from self._read_messages(head)
            if status < 200:
                continue
            exchange = self._exchanges[0]
            exchange.status = status
            yield from self._told.body_of_answer(head, exchange.method, exchange.body)
            self._exchanges.popleft()
            if exchange.number is not None and not exchange.opens_socket:
                self._tell_answer(exchange)

    def _tell_answer(self, exchange: _Exchange, *, cut: bool = False) -> None:
        """Record an answer; `cut`: it broke off."""
        if self._client_left or exchange.status is None:
            self._trace.record("rest", "unanswered", number=exchange.number)
            return
        told: dict[str, Any] = {"number": exchange.number, "status": exchange.status}
        if cut:
            told["cut"] = True
        else:
            body = b"".join(exchange.body)
            status = self._words(self._dialect.execution_status, exchange.route, body)
            if status is not None:
                told["execution_status"] = status
        self._trace.record("rest", "answer", **told)
        if not cut:
            self._tell_moment("request-answered", exchange)

    def _read_messages(self, head: Head) -> Reading:
        """From here on it is a WebSocket, or something else, which is ignored."""
        if not head.wants_websocket:
            raise StrangeError("no WebSocket")
        agreed = head.fields.get(b"sec-websocket-extensions", b"")
        extensions = agreed.decode("latin-1")
        self._messages = Messages(extensions)
        self._requests = self._read_client_messages(Messages(extensions, of_client=True))
        self._tell_moment("request-answered", self._exchanges[0])
        while True:
            data = bytes(self._told.unread)
            self._told.unread.clear()
            for message, left in self._messages.feed(data):
                told = self._words(self._dialect.frame, message)
                if told is not None:
                    self._trace.record("socket", "frame-sent", **told, peer=self._peer)
                    self._down.mark(partial(self._delivered, told.get("event")), before=left)
                self._tell_frame("frame-down")
            yield

    def _delivered(self, event: str | None, at_ns: int) -> None:
        told = {"peer": self._peer} if event is None else {"event": event, "peer": self._peer}
        self._trace.record("socket", "frame-delivered", at_ns=at_ns, **told)

    def _words[**P, T](self, of: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return of(*args, **kwargs)
        except Exception as error:
            says = f"{type(error).__name__}: {error}"
            self._taps.failed(f"{type(self._dialect).__name__}.{of.__name__} failed: {says}")
            return None


def _path(target: str) -> str:
    """The target's path without its query, decoded (RFC 9112, section 3.2)."""
    path = target.partition("?")[0] if target.startswith("/") else urlsplit(target).path
    return unquote(path) if "%" in path else path
