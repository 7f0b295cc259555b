"""What the server says of itself, now: asked for only where the log may never tell.

A status is assigned, and then appended to the log. A server that dies in between has it on its
disk when it is started again, and tells nobody: the log says `running` for ever. A new subscriber
is greeted with the status that the server has in its memory, which REST need not have yet.
"""

import contextlib
import json
import time

import websockets
from websockets.sync.client import connect

TIMEOUT_S = 10.0


def live_status(url: str) -> str | None:
    """The status that the socket at `url` greets with; None: nobody says."""
    deadline = time.monotonic() + TIMEOUT_S
    failures = (OSError, TimeoutError, EOFError, ValueError, websockets.WebSocketException)
    with (
        contextlib.suppress(*failures),
        connect(url, proxy=None, max_size=None, open_timeout=TIMEOUT_S, close_timeout=1) as socket,
    ):
        while True:
            # Frames of events may be ahead of it.
            event = json.loads(socket.recv(max(0.0, deadline - time.monotonic())))
            if event.get("key") == "full_state":
                return str(event["value"]["execution_status"])
    return None
