"""A blocking TCP stream on the kernel, in the shape of httpcore's network backend.

Only the name `SyncBackend` in httpcore is replaced (httpcore/_sync/connection.py and
connection_pool.py); its pool, its h11 and all of httpx stay as they are.
"""

from collections.abc import Iterable
from typing import Any

from race_harness.network.connection import Connection
from race_harness.network.loopback import HOST
from race_harness.sim.kernel import Kernel, Strand
from race_harness.sim.tcp import SimNetwork


class SimStream:
    """The client's end of a connection, for one thread at a time.

    Timeouts are virtual seconds. Errors are httpcore's own.
    """

    def __init__(self, kernel: Kernel, connection: Connection) -> None:
        self._kernel = kernel
        self._connection = connection
        self._buffer = bytearray()
        self._over = False
        self._reset = False
        self._closed = False
        self._reader: Strand | None = None
        connection.down.attach(self)

    # -- called by the network ---------------------------------------------------------------

    def received(self, data: bytes) -> None:
        self._buffer += data
        self._wake()

    def ended(self) -> None:
        self._over = True
        self._wake()

    def broken(self) -> None:
        self._reset = True
        self._wake()

    def _wake(self) -> None:
        if self._reader is not None:
            self._kernel.wake(self._reader)

    # -- httpcore.NetworkStream --------------------------------------------------------------

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        import httpcore

        self._kernel.pause(self._connection)
        deadline = None if timeout is None else self._kernel.after(timeout)
        while not (self._buffer or self._over or self._reset or self._closed):
            self._reader = self._kernel.strand_of_caller()
            try:
                if not self._kernel.block("REST answer", deadline, self._connection):
                    raise httpcore.ReadTimeout("timed out")
            finally:
                self._reader = None
        if self._closed:
            raise httpcore.ReadError("[Errno 9] Bad file descriptor")
        if self._reset:
            raise httpcore.ReadError("[Errno 104] Connection reset by peer")
        data = bytes(self._buffer[:max_bytes])
        del self._buffer[:max_bytes]
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        import httpcore

        self._kernel.pause(self._connection)
        if self._closed or self._reset:
            raise httpcore.WriteError("[Errno 104] Connection reset by peer")
        self._connection.client_writes(bytes(buffer))

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._connection.alive = False
            self._connection.up.finish()
            self._wake()

    def start_tls(self, *_args: object, **_options: object) -> "SimStream":
        raise self._kernel.refusal("TLS")

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            # Readable while idle is how httpcore notices that the server has hung up.
            return bool(self._buffer) or self._over or self._reset or self._closed
        if info == "client_addr":
            return (HOST, self._connection.peer)
        if info == "server_addr":
            return (HOST, 8000)
        return None


class SimBackend:
    """Stands in for httpcore's `SyncBackend`."""

    def __init__(self, kernel: Kernel, network: SimNetwork) -> None:
        self._kernel = kernel
        self._network = network

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[object] | None = None,
    ) -> SimStream:
        """Connect within `timeout` virtual seconds.

        Raises:
            httpcore.ConnectError: refused.
            httpcore.ConnectTimeout: no answer in time.
            WorldBroken: a host beyond the simulation.
        """
        import httpcore

        if host not in (HOST, "localhost"):
            raise self._kernel.refusal(f"a connection to {host}:{port}")
        kernel = self._kernel
        me = kernel.strand_of_caller()
        outcome: list[Connection | None] = []
        given_up = False

        def done(connection: Connection | None) -> None:
            if given_up:
                if connection is not None:
                    connection.up.finish()
            else:
                outcome.append(connection)
                kernel.wake(me)

        self._network.connect(port, "rest", done)
        deadline = None if timeout is None else kernel.after(timeout)
        while not outcome:
            if not kernel.block("connect", deadline) and not outcome:
                given_up = True
                raise httpcore.ConnectTimeout("timed out")
        connection = outcome[0]
        if connection is None:
            raise httpcore.ConnectError("[Errno 111] Connection refused")
        return SimStream(kernel, connection)

    def connect_unix_socket(self, path: str, *_args: object, **_options: object) -> SimStream:
        raise self._kernel.refusal(f"a connection to {path}")

    def sleep(self, seconds: float) -> None:
        kernel = self._kernel
        kernel.block("sleep", kernel.after(seconds))
