"""An asyncio event loop on the kernel: asyncio's own `BaseEventLoop`, with our waiting and I/O."""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Coroutine
from itertools import count
from math import ceil
from typing import Any

from harness.errors import WorldBroken
from harness.sim.kernel import SECOND, Kernel, Strand
from harness.sim.network import HOST, Connection, Network, Pipe

ProtocolFactory = Callable[[], asyncio.BaseProtocol]


class SimTask(asyncio.Task[Any]):
    """A task that is hashed by its number in its loop.

    asyncio (`TaskGroup`, `wait`) and anyio keep tasks in sets, whose order would otherwise depend
    on addresses.
    """

    def __init__(self, number: int, coroutine: Coroutine[Any, Any, Any], **options: Any) -> None:
        self.number = number  # before asyncio puts it into its first set
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self.number


class SimLoop(asyncio.BaseEventLoop):
    """Waits on the kernel instead of a selector; connects through the simulated network."""

    def __init__(self, kernel: Kernel, network: Network, clock: Callable[[], float]) -> None:
        super().__init__()
        self._kernel = kernel
        self._network = network
        self._clock = clock
        self._waiting: Strand | None = None
        self._woken = False
        self._task_factory: Any = None
        self._task_numbers = count()
        self._clock_resolution = 1e-9
        # BaseEventLoop._run_once waits by calling select() on this.
        self._selector = self

    def time(self) -> float:
        return self._clock()

    def select(self, timeout: float | None) -> list[object]:
        """Wait for a wake-up or the time of the next timer. There are no events to return."""
        try:
            self._wait(timeout)
        except BaseException:
            # The loop's thread is killed: its tasks are not to complain when they are collected.
            for task in asyncio.all_tasks(self):
                task._log_destroy_pending = False  # type: ignore[attr-defined]
            raise
        return []

    def _wait(self, timeout: float | None) -> None:
        if self._woken or timeout == 0:
            self._woken = False
            self._kernel.pause(self)
            return
        deadline = None
        if timeout is not None:
            deadline = self._kernel.now_ns + max(1, ceil(timeout * SECOND))
        self._waiting = self._kernel.strand_of_caller()
        try:
            self._kernel.block("event loop", deadline, self)
        finally:
            self._waiting = None
        self._woken = False

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        if self._task_factory is not None:  # the client's own
            return super().create_task(coro, **options)
        self._check_closed()  # type: ignore[attr-defined]
        return SimTask(next(self._task_numbers), coro, loop=self, **options)

    def _process_events(self, event_list: list[object]) -> None:
        pass

    def _write_to_self(self) -> None:
        self._woken = True
        if self._waiting is not None:
            self._kernel.wake(self._waiting)

    def post(self, context: contextvars.Context, callback: Callable[..., object]) -> None:
        """Run a callback in the loop; called from wherever the network delivers."""
        if not self.is_closed():
            self.call_soon(callback, context=context)
            self._write_to_self()

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: ProtocolFactory,
        host: str | None = None,
        port: int | None = None,
        *,
        ssl: object = None,
        **_options: object,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect through the simulated network; ends after `connection_made` was called.

        Raises:
            ConnectionRefusedError: nobody listens there.
            WorldBroken: TLS, or a host beyond the simulation.
        """
        if ssl or host not in (HOST, "localhost") or port is None:
            raise self._kernel.refusal(f"a connection to {host}:{port}")
        connected: asyncio.Future[Connection | None] = self.create_future()
        context = contextvars.copy_context()

        def done(connection: Connection | None) -> None:
            def resolve() -> None:
                if not connected.done():
                    connected.set_result(connection)
                elif connection is not None:
                    connection.up.finish()

            self.post(context, resolve)

        self._network.connect(port, "socket", done)
        connection = await connected
        if connection is None:
            raise ConnectionRefusedError(111, f"Connect call failed {(host, port)!r}")
        protocol = protocol_factory()
        transport = SimTransport(self, protocol, connection, client=True)
        transport.open()
        return transport, protocol

    async def create_server(  # type: ignore[override]
        self, protocol_factory: ProtocolFactory, host: str, port: int
    ) -> "SimServer":
        context = contextvars.copy_context()

        def accept(connection: Connection) -> None:
            def made() -> None:
                SimTransport(self, protocol_factory(), connection, client=False).open()

            self.post(context, made)

        self._network.listen(port, accept)
        return SimServer(self._network, port)

    def refusal(self, what: str) -> WorldBroken:
        return self._kernel.refusal(what)

    async def getaddrinfo(self, host: object, port: object, **_options: object) -> list[Any]:
        raise self._kernel.refusal(f"a name look-up of {host!r}")


class SimServer:
    """What `create_server` gives."""

    def __init__(self, network: Network, port: int) -> None:
        self._network = network
        self._port = port

    def close(self) -> None:
        self._network.unlisten(self._port)


class SimTransport(asyncio.Transport):
    """One end of a connection, as asyncio protocols see it."""

    def __init__(
        self,
        loop: SimLoop,
        protocol: asyncio.BaseProtocol,
        connection: Connection,
        *,
        client: bool,
    ) -> None:
        ours, theirs = (connection.peer, 8000) if client else (8000, connection.peer)
        super().__init__({"sockname": (HOST, ours), "peername": (HOST, theirs)})
        self._loop = loop
        self._protocol = protocol
        self._connection = connection
        self._is_client = client
        self._out: Pipe = connection.up if client else connection.down
        self._in: Pipe = connection.down if client else connection.up
        self._context = contextvars.copy_context()
        self._inbox: deque[bytes | None] = deque()
        self._paused = False
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
            if not isinstance(protocol, asyncio.Protocol):
                raise self._loop.refusal(f"the protocol {type(protocol).__name__}")
            if data is not None:
                protocol.data_received(data)
            elif not protocol.eof_received():
                self.close()

    def _lose(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = self._closing = True
            self._connection.alive = False
            self._protocol.connection_lost(error)

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
