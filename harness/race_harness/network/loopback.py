"""Where servers listen."""

import socket
from typing import Final

from race_harness.model.errors import UsageError

HOST: Final = "127.0.0.1"
PORT: Final = 8000
"""Where the simulation's server listens."""
ASIDE_PORT: Final = 8001
"""The same server, by a way that the schedule's network does not see: that of others."""


def listening_socket(port: int = 0) -> socket.socket:
    """On loopback; 0 takes a free port.

    Raises:
        UsageError: the port is in use or not allowed.
    """
    # The protocol is named, since only then asyncio sets TCP_NODELAY on what is accepted; without
    # that every answer of two writes waits some 40 ms for an acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        raise UsageError(f"cannot listen on {HOST}:{port}: {error}") from None
    return listener
