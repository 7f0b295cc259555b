"""An asyncio event loop on the kernel: asyncio's own `BaseEventLoop`, with our waiting."""

import asyncio
import contextvars
import socket
from collections.abc import Callable, Coroutine
from itertools import count
from math import ceil
from typing import Any

from race_harness.model.errors import WorldBroken
from race_harness.model.schedule import LinkKind
from race_harness.network.connection import Connection
from race_harness.network.loopback import HOST
from race_harness.sim.kernel import SECOND, Kernel, Strand
from race_harness.sim.tcp import SimNetwork
from race_harness.sim.transport import SimTransport

HOSTS = (HOST, "localhost")

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

    def __init__(self, kernel: Kernel, network: SimNetwork, clock: Callable[[], float]) -> None:
        super().__init__()
        self._kernel = kernel
        self._network = network
        self._clock = clock
        self._connected: dict[socket.socket, Connection] = {}
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
        sock: socket.socket | None = None,
        **_options: object,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect through the simulated network; ends after `connection_made` was called.

        `sock` is one that `sock_connect` has connected.

        Raises:
            ConnectionRefusedError: nobody listens there.
            WorldBroken: TLS, or a host beyond the simulation.
        """
        if ssl:
            raise self._kernel.refusal("TLS")
        connection = self._connected.pop(sock, None) if sock is not None else None
        if connection is None:
            connection = await self._connect(host, port, _kind(protocol_factory))
        protocol = protocol_factory()
        transport = SimTransport(self, protocol, connection, client=True)
        transport.open()
        return transport, protocol

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        """Connect through the simulated network. The real socket stays as it is: it is but the
        name under which `create_connection` finds the connection (so does aiohttp)."""
        host, port, *_ = address
        self._connected[sock] = await self._connect(host, port, "rest")

    async def _connect(self, host: str | None, port: int | None, kind: LinkKind) -> Connection:
        if host not in HOSTS or port is None:
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

        self._network.connect(port, kind, done)
        connection = await connected
        if connection is None:
            raise ConnectionRefusedError(111, f"Connect call failed {(host, port)!r}")
        return connection

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

    async def getaddrinfo(
        self, host: object, port: object, *_args: object, **_options: object
    ) -> list[Any]:
        """The simulation has one host.

        Raises:
            WorldBroken: a name, or an address, of another.
        """
        if host not in HOSTS:
            raise self._kernel.refusal(f"a name look-up of {host!r}")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (HOST, port))]


def _kind(protocol_factory: object) -> LinkKind:
    """What a connection is going to be for, as well as it is known before its first bytes."""
    maker = getattr(protocol_factory, "func", protocol_factory)
    library = str(getattr(maker, "__module__", "")).partition(".")[0]
    return "socket" if library == "websockets" else "rest"


def _refused(name: str) -> Callable[..., object]:
    def refused(self: SimLoop, *_args: object, **_options: object) -> object:
        raise self.refusal(f"the event loop's {name}()")

    return refused


# asyncio would raise NotImplementedError, which a client may take for something to handle.
for _name in (
    "add_reader",
    "add_writer",
    "connect_accepted_socket",
    "connect_read_pipe",
    "connect_write_pipe",
    "create_datagram_endpoint",
    "create_unix_connection",
    "create_unix_server",
    "sendfile",
    "sock_accept",
    "sock_recv",
    "sock_recv_into",
    "sock_recvfrom",
    "sock_recvfrom_into",
    "sock_sendall",
    "sock_sendto",
    "start_tls",
    "subprocess_exec",
    "subprocess_shell",
):
    setattr(SimLoop, _name, _refused(_name))


class SimServer:
    """What `create_server` gives."""

    def __init__(self, network: SimNetwork, port: int) -> None:
        self._network = network
        self._port = port

    def close(self) -> None:
        self._network.unlisten(self._port)
