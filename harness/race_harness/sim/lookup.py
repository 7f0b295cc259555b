"""Name look-ups in a trial: there is one host, and it has no IPv6."""

import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any

from race_harness.network.loopback import HOST
from race_harness.sim import descriptors
from race_harness.sim.descriptors import either

Answer = tuple[int, int, int, str, tuple[str, int]]


def _getaddrinfo(
    host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
) -> list[Answer]:
    address = _address(host, passive=bool(flags & socket.AI_PASSIVE))
    if family not in (socket.AF_UNSPEC, socket.AF_INET):
        raise socket.gaierror(socket.EAI_FAMILY, "ai_family not supported")
    number = _port(port)
    kinds = {
        socket.SOCK_STREAM: socket.IPPROTO_TCP,
        socket.SOCK_DGRAM: socket.IPPROTO_UDP,
        socket.SOCK_RAW: 0,
    }
    return [
        (socket.AF_INET, socket.SocketKind(kind), protocol, "", (address, number))
        for kind, protocol in kinds.items()
        if type in (0, kind) and proto in (0, protocol)
    ]


def _address(host: Any, *, passive: bool = False) -> str:
    """Raises WorldBroken: the host is outside the simulation."""
    if isinstance(host, bytes):
        host = host.decode()
    if not host:
        return "0.0.0.0" if passive else HOST
    if host.lower() in ("localhost", "localhost."):
        return HOST
    try:
        version = ip_address(host).version
    except ValueError:
        here = descriptors.current
        assert here is not None
        raise here.kernel.refusal(f"a name look-up of {host!r}") from None
    if version == 6:
        raise socket.gaierror(socket.EAI_ADDRFAMILY, "Address family for hostname not supported")
    return str(host)


def _port(port: Any) -> int:
    if port in (None, "", b""):
        return 0
    try:
        return int(port)
    except ValueError:
        name = port.decode() if isinstance(port, bytes) else port
        return socket.getservbyname(name)


def _getnameinfo(address: tuple[Any, ...], _flags: int) -> tuple[str, str]:
    return str(address[0]), str(address[1])


def _gethostbyaddr(host: str) -> tuple[str, list[str], list[str]]:
    return "localhost", [], [_address(host)]


def _gethostbyname_ex(host: str) -> tuple[str, list[str], list[str]]:
    return host, [], [_address(host)]


STAND_INS: dict[str, Callable[..., Any]] = {
    "getaddrinfo": either(socket.getaddrinfo, _getaddrinfo),
    "getnameinfo": either(socket.getnameinfo, _getnameinfo),
    "gethostbyname": either(socket.gethostbyname, _address),
    "gethostbyname_ex": either(socket.gethostbyname_ex, _gethostbyname_ex),
    "gethostbyaddr": either(socket.gethostbyaddr, _gethostbyaddr),
    "getfqdn": either(socket.getfqdn, lambda _name="": "localhost"),
    "gethostname": either(socket.gethostname, lambda: "localhost"),
}
"""By their names in `socket`."""
