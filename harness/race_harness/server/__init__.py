"""What serves a trial: the seam. `server.fake` and `server.real` are behind it.

A server of another kind is an ASGI application that tells the trace, at the instant at which it
becomes so, with no `await` in between:

server   run-accepted {run}, run-started {run}, run-ended {run, status}, run-refused {status},
         persisted {event, kind}
socket   subscribed {peer}

Runs are numbered from one; a status of `error` or `stuck` is a failure, which `run()` has to
raise. Event ids are those that the client shows. `peer` is the client's port,
`scope["client"][1]`.
What goes over its connections is read off the wire, in the words of `network.dialect`.
docs/how-to/own-client.md says why each is needed and has an example; all else that `model.trace`
knows of is optional and shows in timelines.
"""

from typing import Protocol, runtime_checkable

from starlette.types import ASGIApp


class Server(Protocol):
    """The server of one trial, made anew for each."""

    @property
    def app(self) -> ASGIApp | None:
        """Takes `http` and `websocket` scopes; there is no lifespan. None: the client starts its
        server itself, which it can in the simulation alone."""

    # A server may also have `async def restart(self) -> None`; see `Restartable`.

    async def aclose(self) -> None:
        """End what still runs, in the server's loop.

        Raises:
            Exception: what a background task failed with. It is a mistake of the server, and no
                verdict is given then.
        """


@runtime_checkable
class Restartable(Protocol):
    """A server that may die and be started again."""

    async def restart(self) -> None:
        """Take up what was persisted, before anybody can connect, and tell that (`restarted`).

        The process has died: the event loop that the server lived in is gone with all its tasks,
        and this is another one.
        """
