"""One end of a connection, as asyncio's protocols and libraries on top of them see it."""

import asyncio
import contextvars
import socket
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from race_harness.network.connection import Connection
from race_harness.network.loopback import HOST
from race_harness.network.pipe import Pipe

Address = tuple[str, int]


class Loop(Protocol):
    """What a transport needs of the event loop that it is in."""

    def post(self, context: contextvars.Context, callback: Callable[..., object]) -> None:
        """Run a callback in the loop; called from wherever the network delivers."""

    def call_soon(self, callback: Any, *args: Any, context: contextvars.Context) -> object: ...

    def refusal(self, what: str) -> Exception:
        """The error for what the simulation does not have."""


class SimSocket:
    """What a transport gives as its socket: what may be asked of one (`asyncio.trsock`), no I/O.

    Options are taken and mean nothing.
    """

    family = socket.AF_INET
    type = socket.SOCK_STREAM
    proto = socket.IPPROTO_TCP

    def __init__(self, transport: "SimTransport", here: Address, there: Address) -> None:
        self._transport = transport
        self._here = here
        self._there = there

    def getsockname(self) -> Address:
        return self._here

    def getpeername(self) -> Address:
        return self._there

    def fileno(self) -> int:
        return -1

    def setsockopt(self, *_option: object) -> None:
        pass

    def getsockopt(self, *_option: object) -> int:
        return 0

    def readable(self) -> bool:
        """Whether a read would not have to wait: there are data, or the end, or an error."""
        return self._transport.readable()


class SimTransport(asyncio.Transport):
    """One end of a connection, as asyncio protocols see it."""

    def __init__(
        self,
        loop: Loop,
        protocol: asyncio.BaseProtocol,
        connection: Connection,
        *,
        client: bool,
    ) -> None:
        here, there = (HOST, connection.peer), (HOST, 8000)
        if not client:
            here, there = there, here
        sock = SimSocket(self, here, there)
        super().__init__({"sockname": here, "peername": there, "socket": sock})
        self._loop = loop
        self._protocol = protocol
        self._connection = connection
        self._is_client = client
        self._out: Pipe = connection.up if client else connection.down
        self._in: Pipe = connection.down if client else connection.up
        self._context = contextvars.copy_context()
        self._inbox: deque[bytes | None] = deque()
        self._paused = False
        self._at_end = False
        self._closing = False
        self._lost = False

    def open(self) -> None:
        """Tell the protocol, and only then let bytes in: they may have come before the accept."""
        self._protocol.connection_made(self)
        self._in.attach(self)

    # -- called by the network ---------------------------------------------------------------

    def received(self, data: bytes) -> None:
        self._inbox.append(data)
        self._loop.post(self._context, self._drain)

    def ended(self) -> None:
        self._inbox.append(None)
        self._loop.post(self._context, self._drain)

    def broken(self) -> None:
        error = ConnectionResetError(104, "Connection reset by peer")
        self._loop.post(self._context, lambda: self._lose(error))

    # -- in the loop -------------------------------------------------------------------------

    def _drain(self) -> None:
        while self._inbox and not self._paused and not self._closing:
            data = self._inbox.popleft()
            protocol = self._protocol
            if not isinstance(protocol, asyncio.Protocol | asyncio.BufferedProtocol):
                raise self._loop.refusal(f"the protocol {type(protocol).__name__}")
            if data is None:
                self._at_end = True
                if not protocol.eof_received():
                    self.close()
            elif isinstance(protocol, asyncio.Protocol):
                protocol.data_received(data)
            else:
                _fill(protocol, data)

    def _lose(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = self._closing = True
            self._connection.alive = False
            self._protocol.connection_lost(error)

    def readable(self) -> bool:
        return bool(self._inbox) or self._at_end or self._closing

    # -- asyncio.Transport -------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing:
            if self._is_client:
                self._connection.client_writes(bytes(data))
            else:
                self._out.send(bytes(data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._out.finish()

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._out.finish()
            self._loop.call_soon(self._lose, None, context=self._context)

    def abort(self) -> None:
        if not self._lost:
            # The socket is closed at once; what it was given is still sent, then FIN.
            self._closing = True
            self._out.finish()
            self._loop.call_soon(self._lose, None, context=self._context)

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return not self._paused and not self._closing

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False
        if self._inbox:
            self._loop.call_soon(self._drain, context=self._context)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass  # a write never has to wait here

    def get_write_buffer_size(self) -> int:
        return 0


def _fill(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    """Into the buffers that the protocol gives, one after another."""
    left = memoryview(data)
    while left:
        buffer = memoryview(protocol.get_buffer(len(left))).cast("B")
        size = min(len(buffer), len(left))
        buffer[:size] = left[:size]
        protocol.buffer_updated(size)
        left = left[size:]
