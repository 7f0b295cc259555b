"""The class that takes the place of `socket.socket`: simulated in a trial, real outside.

It is put there before any client is imported and stays, since libraries keep what they find:
trio calls `socket.socket.recv` unbound, others derive from the class. A socket made in a trial
never opens anything real: its C part keeps the descriptor -1.
"""

import socket
from collections.abc import Callable
from typing import Any

from race_harness.sim import descriptors
from race_harness.sim.endpoint import pair
from race_harness.sim.simulated_socket import SimSocket

_Real = socket.socket
_real_socketpair = socket.socketpair
_real_dup = socket.dup
_real_close = socket.close


class DualSocket(_Real):
    """A socket of the simulation if it was made in a trial, else of the operating system."""

    __slots__ = ("_simulated",)

    _simulated: SimSocket | None

    def __init__(
        self, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None
    ) -> None:
        here = descriptors.current
        if here is None:
            self._simulated = None
            super().__init__(family, type, proto, fileno)
        else:
            # As socket.socket.__init__ does.
            self._io_refs = 0
            self._closed = False
            timeout = socket.getdefaulttimeout()
            self._simulated = SimSocket(here, family, type, proto, fileno, timeout)

    @property
    def family(self) -> int:  # type: ignore[override]
        simulated = self._simulated
        return super().family if simulated is None else simulated.family

    @property
    def type(self) -> int:  # type: ignore[override]
        simulated = self._simulated
        return super().type if simulated is None else simulated.type

    @property
    def proto(self) -> int:
        simulated = self._simulated
        return super().proto if simulated is None else simulated.proto

    @property
    def timeout(self) -> float | None:
        return self.gettimeout()

    def fileno(self) -> int:
        simulated = self._simulated
        return super().fileno() if simulated is None else simulated.number

    def gettimeout(self) -> float | None:
        simulated = self._simulated
        return super().gettimeout() if simulated is None else simulated.timeout

    def settimeout(self, value: float | None) -> None:
        simulated = self._simulated
        if simulated is None:
            super().settimeout(value)
        elif value is not None and value < 0:
            raise ValueError("Timeout value out of range")
        else:
            simulated.timeout = None if value is None else float(value)

    def setblocking(self, flag: bool) -> None:
        self.settimeout(None if flag else 0.0)

    def getblocking(self) -> bool:
        return self.gettimeout() != 0

    def detach(self) -> int:
        simulated = self._simulated
        if simulated is None:
            return super().detach()
        self._closed = True
        return simulated.detach()

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        if self._simulated is None:
            return super().sendfile(file, offset, count)
        return self._sendfile_use_send(file, offset, count)  # type: ignore[attr-defined,no-any-return]

    def get_inheritable(self) -> bool:
        return False if self._simulated is not None else super().get_inheritable()

    def set_inheritable(self, inheritable: bool) -> None:
        if self._simulated is None:
            super().set_inheritable(inheritable)

    # `close()` calls this once the last file of `makefile()` is closed, too.
    def _real_close(self, _ss: Any = _Real) -> None:
        simulated = getattr(self, "_simulated", None)
        if simulated is None:
            super()._real_close()  # type: ignore[misc]
        else:
            simulated.close()

    def __del__(self) -> None:
        simulated = getattr(self, "_simulated", None)
        if simulated is None:
            super().__del__()  # type: ignore[misc]
        else:
            simulated.close()

    # `accept`, `close`, `dup`, `makefile`, `__enter__` and `__exit__` are those of socket.py.


def _either(name: str) -> Callable[..., Any]:
    real, simulated = getattr(_Real, name), getattr(SimSocket, name)

    def call(self: DualSocket, *args: Any, **options: Any) -> Any:
        mine = self._simulated
        if mine is None:
            return real(self, *args, **options)
        return simulated(mine, *args, **options)

    call.__name__ = name
    call.__qualname__ = f"socket.{name}"
    call.__doc__ = real.__doc__
    return call


for _name in (
    *("bind", "listen", "connect", "connect_ex", "getsockname", "getpeername", "shutdown"),
    *("getsockopt", "setsockopt", "recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg"),
    *("recvmsg_into", "send", "sendall", "sendto", "sendmsg"),
):
    setattr(DualSocket, _name, _either(_name))


def _accept(self: DualSocket) -> tuple[int, Any]:
    mine = self._simulated
    return _Real._accept(self) if mine is None else mine.accept()  # type: ignore[attr-defined]


DualSocket._accept = _accept  # type: ignore[attr-defined]


def socketpair(
    family: int | None = None, type: int = socket.SOCK_STREAM, proto: int = 0
) -> tuple[socket.socket, socket.socket]:
    """Stands in for `socket.socketpair`: two connected sockets, of the family AF_UNIX."""
    here = descriptors.current
    if here is None:
        return _real_socketpair(family, type, proto)
    if (type & ~(socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)) != socket.SOCK_STREAM:
        raise here.kernel.refusal("a pair of sockets that are no streams")
    one, other = (DualSocket(fileno=here.open(end)) for end in pair(here.kernel))
    return one, other


def dup(number: int) -> int:
    """Stands in for `socket.dup`."""
    here = descriptors.current
    return _real_dup(number) if here is None else here.open(here.at(number))


def close(number: int) -> None:
    """Stands in for `socket.close`."""
    here = descriptors.current
    if here is None:
        _real_close(number)
    else:
        here.close(number)
