"""Asks the server for its present status, for cases that the log may never show.

The server assigns a status, and then appends it to the log. If it crashes in between, it has the
status on its disk when it starts again, but the log says `running` for ever. It greets a new
subscriber with the status in its memory, which REST may not show yet.
"""

import contextlib
import json
import time

import websockets
from websockets.sync.client import connect

TIMEOUT_S = 10.0


def live_status(url: str) -> str | None:
    """Return the status with which the socket at `url` greets; None if there is no greeting."""
    deadline = time.monotonic() + TIMEOUT_S
    failures = (OSError, TimeoutError, EOFError, ValueError, websockets.WebSocketException)
    with (
        contextlib.suppress(*failures),
        connect(url, proxy=None, max_size=None, open_timeout=TIMEOUT_S, close_timeout=1) as socket,
    ):
        while True:
            # Frames of events may come before the greeting.
            event = json.loads(socket.recv(max(0.0, deadline - time.monotonic())))
            if event.get("key") == "full_state":
                return str(event["value"]["execution_status"])
    return None
