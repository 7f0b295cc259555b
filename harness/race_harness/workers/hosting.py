"""A real server in an environment of its own, for a client of another release."""

import json
import os
import socket
import subprocess
from pathlib import Path

from race_harness.clients import Adapter
from race_harness.clients.beside_another import ServedElsewhere
from race_harness.model.errors import ClientUnavailable, WorldBroken

_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")


def hosted(adapter: Adapter, python: Path) -> Adapter:
    """The same client, with the server of that interpreter's environment.

    The server's processes end once no process holds their socket any more.

    Raises:
        ClientUnavailable: there is no server.
        WorldBroken: it cannot be imported.
    """
    # Such a socket keeps messages whole, even when several processes send.
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        try:
            subprocess.Popen(
                [str(python), "-P", str(_BOOTSTRAP), "serve", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONHASHSEED": "0"},
            )
        except OSError as error:
            raise WorldBroken(f"cannot start {python}: {error.strerror or error}") from None
    told = ours.recv(2**16)
    if not told:
        raise WorldBroken("the server's process died before it was ready")
    answer = json.loads(told)
    if "trouble" in answer:
        kind = ClientUnavailable if answer["unavailable"] else WorldBroken
        raise kind(answer["trouble"])
    return ServedElsewhere(adapter, answer["version"], ours)
