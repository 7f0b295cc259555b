"""Where servers listen."""

import socket
from typing import Final

from race_harness.model.errors import UsageError

HOST: Final = "127.0.0.1"
PORT: Final = 8000
"""Where the simulation's server listens."""
ASIDE_PORT: Final = 8001
"""Another port of the same server, for other users: the schedule's network does not see it."""


def kept_port() -> socket.socket:
    """A socket that never listens, and keeps its free port for `listening_socket`: while nobody
    listens there, nobody else gets it."""
    keeper = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    keeper.bind((HOST, 0))
    return keeper


def listening_socket(port: int = 0) -> socket.socket:
    """A listening socket on loopback; port 0 takes a free one.

    Raises:
        UsageError: the port is in use or not allowed.
    """
    # With the protocol named, asyncio sets TCP_NODELAY on accepted sockets; otherwise every answer
    # of two writes would wait some 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        raise UsageError(f"cannot listen on {HOST}:{port}: {error}") from None
    return listener
