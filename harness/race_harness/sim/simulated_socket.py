"""What a socket object does in a trial: the calls of `socket.socket`, on an endpoint.

Calls wait as long as the socket's timeout says, in virtual seconds, and raise what the real ones
do. Those that may wait are scheduling points. A socket that never waits belongs to an event loop,
whose wait was one.
"""

import errno
import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Final

from race_harness.network.loopback import HOST
from race_harness.sim import descriptors
from race_harness.sim.descriptors import Descriptors, error, is_here
from race_harness.sim.endpoint import Direct, Endpoint, State

# As plain numbers: operations on flags that are enums are slow.
_DONTWAIT: Final = int(socket.MSG_DONTWAIT)
_PEEK: Final = int(socket.MSG_PEEK)
_WAITALL: Final = int(socket.MSG_WAITALL)
_NONBLOCK: Final = int(socket.SOCK_NONBLOCK)
_CLOEXEC: Final = int(socket.SOCK_CLOEXEC)
_BUFFERS: Final = {int(socket.SO_SNDBUF): 16_384, int(socket.SO_RCVBUF): 131_072}
"""Buffer sizes that Linux reports for a new socket (tcp(7), tcp_wmem and tcp_rmem); it reports
twice the size that a program has set (socket(7))."""


class SimSocket:
    """One socket object. `timeout` is in virtual seconds; None waits for ever, 0 never."""

    __slots__ = (
        "_descriptors",
        "_endpoint",
        "_kernel",
        "family",
        "number",
        "proto",
        "timeout",
        "type",
    )

    def __init__(
        self,
        here: Descriptors,
        family: int,
        type_: int,
        proto: int,
        number: int | None,
        timeout: float | None,
    ) -> None:
        """`number`: the descriptor that it takes over; None: it gets a new one.

        Raises:
            OSError: EBADF: there is no such descriptor; EAFNOSUPPORT: the simulation has no IPv6.
            WorldBroken: it is a socket of another kind.
        """
        self._descriptors = here
        self._kernel = here.kernel
        self.timeout = timeout
        if number is not None:
            self._endpoint = here.at(number)
            paired = self._endpoint.paired
            self.family = socket.AF_UNIX if paired else socket.AF_INET
            self.type = socket.SOCK_STREAM
            self.proto = 0 if paired or proto == -1 else proto
            self.number = number
            return
        self.family = socket.AF_INET if family == -1 else socket.AddressFamily(family)
        if type_ > 0 and type_ & _NONBLOCK:
            self.timeout = 0.0
        kind = type_ & ~(_NONBLOCK | _CLOEXEC)
        self.type = socket.SOCK_STREAM if type_ == -1 else socket.SocketKind(kind)
        self.proto = 0 if proto == -1 else proto
        if self.family == socket.AF_INET6:
            raise error(errno.EAFNOSUPPORT)
        if (self.family, self.type) != (socket.AF_INET, socket.SOCK_STREAM):
            raise self._kernel.refusal(f"a socket of {_name(self.family, self.type)}")
        self._endpoint = Endpoint(self._kernel)
        self.number = here.open(self._endpoint)

    # -- names and options -------------------------------------------------------------------

    def getsockname(self) -> Any:
        endpoint = self._open()
        return "" if endpoint.paired else endpoint.name

    def getpeername(self) -> Any:
        endpoint = self._open()
        if endpoint.state is not State.CONNECTED:
            raise error(errno.ENOTCONN)
        return "" if endpoint.paired else endpoint.peer_name

    def setsockopt(self, level: int, name: int, value: Any, length: int = 0) -> None:
        """Keep the value for `getsockopt`; it has no effect."""
        value = bytes(length) if value is None else value
        if level == socket.SOL_SOCKET and name in _BUFFERS and isinstance(value, int):
            value *= 2
        self._open().options[level, name] = value

    def getsockopt(self, level: int, name: int, length: int = 0) -> Any:
        endpoint = self._open()
        if level == socket.SOL_SOCKET:
            match name:
                case socket.SO_ERROR:
                    return endpoint.take_error()
                case socket.SO_TYPE:
                    return int(self.type)
                case socket.SO_DOMAIN:
                    return int(self.family)
                case socket.SO_PROTOCOL:
                    return int(self.proto)
                case socket.SO_ACCEPTCONN:
                    return int(endpoint.state is State.LISTENING)
                case socket.SO_SNDBUF | socket.SO_RCVBUF if (level, name) not in endpoint.options:
                    return _BUFFERS[name] if not endpoint.paired else Direct.CAPACITY
        return endpoint.options.get((level, name), bytes(length) if length else 0)

    # -- opening -----------------------------------------------------------------------------

    def bind(self, address: Any) -> None:
        host, port = self._address(address)
        if not is_here(host):
            raise error(errno.EADDRNOTAVAIL)
        host = HOST if host == "localhost" else host or "0.0.0.0"
        self._descriptors.bind(self._open(), host, port)

    def listen(self, backlog: int = 128) -> None:
        self._descriptors.listen(self._open(), backlog)

    def accept(self) -> tuple[int, Any]:
        """The descriptor and the peer's address, as `socket.socket._accept` gives them."""
        endpoint = self._open()
        if endpoint.state is not State.LISTENING:
            raise error(errno.EINVAL)
        self._may_wait(endpoint.readable, "a connection")
        made = endpoint.accepted.popleft()
        return self._descriptors.open(made), made.peer_name

    def connect(self, address: Any) -> None:
        number = self._connect(address)
        if number == errno.ETIMEDOUT:
            raise TimeoutError("timed out")
        if number:
            raise error(number)

    def connect_ex(self, address: Any) -> int:
        number = self._connect(address)
        return errno.EAGAIN if number == errno.ETIMEDOUT else number

    def _connect(self, address: Any) -> int:
        endpoint = self._open()
        host, port = self._address(address)
        if not (is_here(host) or _is_loopback(host)):
            raise self._kernel.refusal(f"a connection to {host}:{port}")
        match endpoint.state:
            case State.CONNECTED if endpoint.told:
                return errno.EISCONN
            case State.CONNECTED:
                endpoint.told = True
                return 0
            case State.CONNECTING:
                return errno.EALREADY
            case State.LISTENING:
                return errno.EISCONN
        self._descriptors.network.connect(endpoint, port)
        if self.timeout == 0:
            return errno.EINPROGRESS
        try:
            self._wait(lambda: endpoint.state is not State.CONNECTING, "connect")
        except TimeoutError:
            return errno.ETIMEDOUT
        endpoint.told = True
        return endpoint.take_error()

    # -- data --------------------------------------------------------------------------------

    def recv(self, size: int, flags: int = 0) -> bytes:
        if size < 0:
            raise ValueError("negative buffersize in recv")
        endpoint = self._endpoint
        if endpoint.state is not State.CONNECTED or self.number < 0:
            self._open()
            if endpoint.error or not endpoint.over:
                raise error(endpoint.take_error() or errno.ENOTCONN)
            return b""
        if size:
            self._may_wait(endpoint.readable, "socket data", flags)
        if endpoint.error and not endpoint.received_bytes:
            raise error(endpoint.take_error())
        if not flags:
            return endpoint.take(size)
        if flags & _WAITALL and not flags & _PEEK:
            return self._all(endpoint, size)
        return endpoint.take(size, peek=bool(flags & _PEEK))

    def _all(self, endpoint: Endpoint, size: int) -> bytes:
        data = endpoint.take(size)
        while len(data) < size and not endpoint.over and not endpoint.error:
            self._wait(endpoint.readable, "socket data")
            data += endpoint.take(size - len(data))
        return data

    def recv_into(self, buffer: Any, size: int = 0, flags: int = 0) -> int:
        view = memoryview(buffer).cast("B")
        data = self.recv(size or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def recvfrom(self, size: int, flags: int = 0) -> tuple[bytes, Any]:
        return self.recv(size, flags), None

    def recvfrom_into(self, buffer: Any, size: int = 0, flags: int = 0) -> tuple[int, Any]:
        return self.recv_into(buffer, size, flags), None

    def recvmsg(self, size: int, _ancillary: int = 0, flags: int = 0) -> tuple[Any, ...]:
        return self.recv(size, flags), [], 0, None

    def recvmsg_into(
        self, buffers: Any, _ancillary: int = 0, flags: int = 0
    ) -> tuple[int, list[Any], int, Any]:
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        data = self.recv(sum(map(len, views)), flags)
        left = memoryview(data)
        for view in views:
            part = left[: len(view)]
            view[: len(part)] = part
            left = left[len(part) :]
        return len(data), [], 0, None

    def send(self, data: Any, flags: int = 0) -> int:
        if self.timeout != 0 and not flags & _DONTWAIT:
            self._kernel.pause(self._endpoint)
        room = self._room()
        if room <= 0:
            self._may_wait(self._endpoint.writable, "room to send", flags)
            room = self._room()
        if type(data) is not bytes:
            data = bytes(memoryview(data).cast("B")[:room])
        elif len(data) > room:
            data = data[:room]
        self._endpoint.write(data)
        return len(data)

    def _room(self) -> int:
        """How many bytes can be sent now.

        Raises:
            OSError: it is closed, broken, or does not write any more.
        """
        endpoint = self._endpoint
        if self.number < 0:
            raise error(errno.EBADF)
        if endpoint.error:
            raise error(endpoint.take_error())
        if endpoint.write_shut or endpoint.state is not State.CONNECTED:
            raise error(errno.EPIPE)
        return endpoint.room()

    def sendall(self, data: Any, flags: int = 0) -> None:
        """The timeout counts for the whole call (as in CPython since 3.5)."""
        size = self.send(data, flags)
        view = memoryview(data).cast("B")[size:]
        if not view:
            return
        timeout = self.timeout
        deadline_ns = None if timeout is None else self._kernel.after(timeout)
        try:
            while view:
                if timeout and deadline_ns is not None:
                    left_ns = deadline_ns - self._kernel.own_ns()
                    if left_ns <= 0:
                        raise TimeoutError("timed out")
                    self.timeout = left_ns / 1e9
                view = view[self.send(view, flags) :]
        finally:
            self.timeout = timeout

    def sendmsg(
        self, buffers: Any, _ancillary: Any = (), flags: int = 0, _address: Any = None
    ) -> int:
        return self.send(b"".join(buffers), flags)

    def sendto(self, data: Any, *flags_and_address: Any) -> int:
        return self.send(data, flags_and_address[0] if len(flags_and_address) > 1 else 0)

    # -- the end -----------------------------------------------------------------------------

    def shutdown(self, how: int) -> None:
        endpoint = self._open()
        if how in (socket.SHUT_WR, socket.SHUT_RDWR):
            endpoint.shut_write()
        if how in (socket.SHUT_RD, socket.SHUT_RDWR):
            endpoint.shut_read()
        # Linux shuts it down all the same.
        if endpoint.state is not State.CONNECTED:
            raise error(errno.ENOTCONN)

    def detach(self) -> int:
        number, self.number = self.number, -1
        return number

    def close(self) -> None:
        number = self.detach()
        # After its trial there is nothing left to close.
        if number >= 0 and descriptors.current is self._descriptors:
            self._descriptors.close(number)

    # -- inside ------------------------------------------------------------------------------

    def _open(self) -> Endpoint:
        if self.number < 0:
            raise error(errno.EBADF)
        return self._endpoint

    def _address(self, address: Any) -> tuple[str, int]:
        if not isinstance(address, tuple):
            raise TypeError(f"AF_INET address must be tuple, not {type(address).__name__}")
        if len(address) != 2:
            raise TypeError("AF_INET address must be a pair (host, port)")
        host, port = address
        if not 0 <= port <= 0xFFFF:
            raise OverflowError("port must be 0-65535.")
        return host.decode() if isinstance(host, bytes) else host, port

    def _may_wait(self, ready: Callable[[], bool], on: str, flags: int = 0) -> None:
        """Be a scheduling point, and wait if the socket's timeout and the flags let it.

        Raises:
            BlockingIOError, TimeoutError: it is not ready, now or in time.
        """
        if self.timeout == 0 or flags & _DONTWAIT:
            if not ready():
                raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
            return
        self._kernel.pause(self._endpoint)
        if not ready():
            self._wait(ready, on)

    def _wait(self, ready: Callable[[], bool], on: str) -> None:
        """Wait until it is ready, as long as the timeout says.

        A waiting call keeps the endpoint open, even if another thread closes the socket: Linux
        lets a call finish on the socket that it began with.
        """
        endpoint, kernel = self._endpoint, self._kernel
        deadline_ns = None if self.timeout is None else kernel.after(self.timeout)
        me = kernel.strand_of_caller()
        endpoint.holders += 1
        endpoint.waiting.append(me)
        try:
            while not ready():
                if not kernel.block(on, deadline_ns, endpoint) and not ready():
                    raise TimeoutError("timed out")
            if self.number < 0 and deadline_ns is not None:
                # Python has waited by poll(), and would now read or write a closed descriptor.
                raise error(errno.EBADF)
        finally:
            endpoint.waiting.remove(me)
            endpoint.release()


def _name(family: socket.AddressFamily, type_: socket.SocketKind) -> str:
    return f"{family.name}, {type_.name}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
