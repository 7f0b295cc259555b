"""The proxy between client and server: real sockets on both sides, the schedule's network inside.

For each connection that the client makes, it makes one to the server; in between are the same
pipes as in the simulation, with their latencies, their order and their faults. The first bytes of
a connection show what it is for. The latency comes on top of that of the loopback device.
"""

import asyncio
import contextlib
import socket
import struct
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from race_harness.model.schedule import LinkKind
from race_harness.model.schedule import Network as NetworkSchedule
from race_harness.model.trace import Trace
from race_harness.network.connection import (
    Connection,
    Connections,
    may_be_request,
    purpose_of,
)
from race_harness.network.dialect import Dialect
from race_harness.network.loopback import HOST, kept_port, listening_socket
from race_harness.network.pipe import Pipe
from race_harness.realtime.clock import LoopClock, precise_loop
from race_harness.realtime.passage import SocketPassage

_HEAD_ENDS: Final = b"\r\n\r\n"
_LINGER_NOT: Final = struct.pack("ii", 1, 0)


class Proxy(Connections):
    """The network of one trial, in a thread of its own.

    `failed` is called, in that thread, with the stack of an error in the proxy itself or in the
    dialect.
    """

    def __init__(
        self,
        trace: Trace,
        schedule: NetworkSchedule,
        entropy: int,
        server_port: int,
        failed: Callable[[str], None],
        dialect: Dialect | None = None,
    ) -> None:
        self._loop = precise_loop()
        self._loop.set_exception_handler(lambda _, context: self._note(context))
        self._failed = failed
        self._clock = LoopClock(trace, self._loop)
        super().__init__(self._clock, dialect or Dialect(), failed, schedule.gateway)
        self._schedule = schedule
        self._entropy = entropy
        self._server_port = server_port
        self._nth: Counter[LinkKind] = Counter()
        self._sides: list[Side] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def start(self, *, keeps_port: bool = False) -> int:
        """Listen; return the port, which `refuse_all` needs to be kept."""
        self._keeper = kept_port() if keeps_port else None
        listener = listening_socket(self._keeper.getsockname()[1] if self._keeper else 0)
        self._clock.thread = self._thread
        self._loop.run_until_complete(self._listen(listener))
        self._thread.start()
        return int(listener.getsockname()[1])

    async def _listen(self, listener: socket.socket) -> None:
        self._listening = await self._loop.create_server(self._accept, sock=listener)

    def refuse_all(self) -> None:
        """Refuse every connection, as an address at which nobody listens, until
        `accept_again`."""
        self.clock.do(self._listening.close)

    def accept_again(self) -> None:
        assert self._keeper is not None
        port = self._keeper.getsockname()[1]
        self.clock.do(lambda: self._spawn(self._listen(listening_socket(port))))

    def stop(self) -> None:
        """Hang up on everybody."""

        def stop() -> None:
            for side in self._sides:
                side.broken()
            self._loop.call_soon(self._loop.stop)

        self.clock.do(stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        self._loop.run_forever()

    def _note(self, context: dict[str, Any]) -> None:
        # A peer may reset its connection at any time, and asyncio may notice that anywhere.
        if not isinstance(context.get("exception"), OSError):
            self._failed(_account(context))

    def _accept(self) -> asyncio.Protocol:
        server = Upstream()
        client = Visitor(lambda head: self._spawn(self._connect(client, server, head)))
        self._sides += [client, server]
        return client

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(self, client: "Visitor", server: "Side", first_bytes: bytes) -> None:
        kind, path = purpose_of(first_bytes)
        if self.refuses(kind, path, self.clock.now_ns):
            client.broken()
            return
        if self.gatekeeper.full():
            client.turned_away(self.gatekeeper.turned_away(kind, client.port))
            return
        try:
            transport, _ = await self._loop.create_connection(
                lambda: server, HOST, self._server_port
            )
        except OSError:
            client.broken()
            return
        connection = Connection(
            self.taps,
            self.clock,
            self._schedule,
            self._entropy,
            len(self.connections),
            transport.get_extra_info("sockname")[1],
            self._nth,
            pipe=SocketPassage if kind == "socket" else Pipe,
        )
        # The operating system has connected at once: the first bytes make up for the schedule's
        # whole handshake.
        connection.handshake_ns = 0
        self.connections.append(connection)
        self.guard(connection)
        connection.is_for(kind, path)
        up, down = connection.up, connection.down
        up.attach(server)
        down.attach(client)
        server.join(_Way(connection.server_writes, down, up, connection.server_left))
        client.join(_Way(connection.client_writes, up, down, connection.client_left))


@dataclass(frozen=True, slots=True)
class _Way:
    """How the bytes of one side flow."""

    write: Callable[[bytes], None]
    """Takes what the side reads, as fast as `out` takes it."""
    out: Pipe
    into: Pipe
    """The pipe that ends at this side."""
    over: Callable[[], None]
    """Called when the side has read everything."""


class Side(asyncio.Protocol):
    """One of the two sockets of a connection. It reads into one pipe, and is the end of the
    other."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._way: _Way | None = None
        self._heard_end = self._told_end = False
        self._full = False
        """Whether the operating system takes no more bytes, since the peer does not read."""
        self._kept = 0
        """Bytes that the transport got since then."""

    def join(self, way: _Way) -> None:
        self._way = way
        way.out.sender = self
        if self._heard_end:
            self._over()

    # -- asyncio.Protocol --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._way is None:
            return
        self._way.write(data)
        if self._way.out.room() <= 0 and self._transport is not None:
            self._transport.pause_reading()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        kept, self._kept = self._kept, 0
        if self._way is not None:
            self._way.into.taken(kept)

    def eof_received(self) -> bool:
        self._over()
        return True  # The other direction stays open.

    def connection_lost(self, exc: Exception | None) -> None:
        self._over()

    def _over(self) -> None:
        self._heard_end = True
        if self._way is not None:
            self._way.over()
            self._way.out.finish()
        self._close_if_over()

    # -- race_harness.network.pipe: Sender and End -------------------------------------------

    def has_room(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def received(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)
        if self._full:
            self._kept += len(data)
        elif self._way is not None:
            self._way.into.taken(len(data))

    def ended(self) -> None:
        self._told_end = True
        if self._transport is not None and not self._transport.is_closing():
            with contextlib.suppress(OSError):  # The peer has reset it, and asyncio does not know.
                self._transport.write_eof()
        self._close_if_over()

    def broken(self) -> None:
        """Let the peer see a reset (RFC 9293, section 3.5.2)."""
        if self._transport is not None:
            with contextlib.suppress(OSError):  # It is closed already.
                self._transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT
                )
            self._transport.abort()

    def _close_if_over(self) -> None:
        if self._heard_end and self._told_end and self._transport is not None:
            self._transport.close()


class Visitor(Side):
    """The client's side. `opening` is called with its first bytes: a whole head, if it is HTTP."""

    def __init__(self, opening: Callable[[bytes], None]) -> None:
        super().__init__()
        self._opening: Callable[[bytes], None] | None = opening
        self._early = b""
        """Bytes that were read before there was a pipe for them."""

    @property
    def port(self) -> int:
        """The client's port."""
        return 0 if self._transport is None else self._transport.get_extra_info("peername")[1]

    def turned_away(self, says: bytes | None) -> None:
        """Let the client see an answer and the end, or a reset."""
        if says is None:
            self.broken()
        else:
            self.received(says)
            self.ended()

    def join(self, way: _Way) -> None:
        way.write(self._early)
        super().join(way)

    def data_received(self, data: bytes) -> None:
        if self._way is not None:
            super().data_received(data)
            return
        self._early += data
        whole = _HEAD_ENDS in self._early or not may_be_request(self._early)
        if self._opening is not None and whole:
            opening, self._opening = self._opening, None
            opening(self._early)

    def _over(self) -> None:
        if self._opening is not None:
            # The client left without a word: there is no other side to tell.
            self._told_end = True
        super()._over()


class Upstream(Side):
    """The server's side."""

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None and self._way is not None:
            # A process that dies with bytes unread resets its connections, and nobody is there
            # any more for what comes then.
            self._way.out.abort()
        super().connection_lost(exc)


def _account(context: dict[str, Any]) -> str:
    error = context.get("exception")
    stack = "".join(traceback.format_exception(error)) if error is not None else ""
    return f"the proxy failed: {context['message']}\n{stack}"
