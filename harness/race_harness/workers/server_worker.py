"""The worker of a server in its own environment: imports it once, then serves trials."""

import json
import socket
import sys

from race_harness.model.combination import REAL_REAL
from race_harness.model.errors import ClientUnavailable, HarnessError, with_its_stack
from race_harness.realtime.server_host import host
from race_harness.workers.worker import prepare


def main(arguments: list[str]) -> None:
    """Arguments: `serve`, and the descriptor of the socket that brings requests for servers."""
    with socket.socket(fileno=int(arguments[1])) as asked:
        try:
            adapter = prepare("openhands", REAL_REAL).adapter
        except Exception as error:
            says = str(error) if isinstance(error, HarnessError) else with_its_stack(error)
            unavailable = isinstance(error, ClientUnavailable)
            asked.send(json.dumps({"trouble": says[:30_000], "unavailable": unavailable}).encode())
            sys.exit(1)
        asked.send(json.dumps({"version": getattr(adapter, "server_version", "")}).encode())
        host(adapter, asked)
