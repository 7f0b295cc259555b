"""What serves a trial: the seam, and behind it the fake agent server.

A server of another kind needs an ASGI app and a dozen lines that tell the trace what it does. The
oracle knows nothing else of it, so these have to be told at the instant at which they are so:

```text
trace.record("server", "run-accepted", run=1)                a request for a run was accepted
trace.record("server", "run-started", run=1)                 the run has begun
trace.record("server", "persisted", event=id, kind="Log")    an event can be read from now on
trace.record("server", "run-ended", run=1, status="finished")
                                                  the end can be read; `error` and `stuck` are
                                                  failures, which `run()` has to raise
trace.record("socket", "subscribed", peer=port)              the first byte of a stream may come
trace.record("socket", "frame-sent", event=id, kind="Log", peer=port)
                                                  after the frame was given to the socket
```

Runs are numbered from one. Event ids are those that the client shows, and unique. `peer` is the
client's port, `scope["client"][1]`. `harness.server.requests.Requests` records what goes over
REST. `harness.trace` has the whole vocabulary; what else of it is told shows up in the timeline.
"""

from typing import Protocol

from starlette.types import ASGIApp


class Server(Protocol):
    """The server of one trial, made anew for each."""

    @property
    def app(self) -> ASGIApp:
        """Takes `http` and `websocket` scopes; there is no lifespan."""

    async def aclose(self) -> None:
        """End what still runs, in the server's loop.

        Raises:
            Exception: what a background task failed with. It is a mistake of the server, and no
                verdict is given then.
        """
