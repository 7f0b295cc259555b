"""The interface of a trial's server; `server.fake` and `server.real` implement it.

Any other server is an ASGI application that records the following in the trace, at the instant at
which each happens, with no `await` in between:

server   run-accepted {run}, run-started {run}, run-ended {run, status}, run-refused {status},
         persisted {event, kind}
socket   subscribed {peer}

Runs are numbered from one; a status of `error` or `stuck` is a failure, for which `run()` has to
raise. Event ids are those that the client shows. `peer` is the client's port,
`scope["client"][1]`. The harness reads requests and frames off the wire itself, with the help of
a `network.dialect`. docs/how-to/own-client.md says why each of these is needed and has an example;
everything else in `model.trace` is optional and appears in timelines.
"""

from typing import Protocol, runtime_checkable

from starlette.types import ASGIApp

from race_harness.server.handover import Handover


class Server(Protocol):
    """The server of one trial; each trial gets a new one."""

    @property
    def app(self) -> ASGIApp | None:
        """The application, which gets `http` and `websocket` scopes, but no lifespan. None: the
        client starts its server itself, which it can do only in the simulation."""

    # A server may also have `async def restart(self) -> None`; see `Restartable`, `Persistent`.

    async def aclose(self) -> None:
        """End everything that is still running, in the server's loop.

        Raises:
            Exception: the failure of a background task. It is a bug in the server, so the trial
                gets no verdict.
        """


@runtime_checkable
class Restartable(Protocol):
    """A server that can crash and be started again."""

    async def restart(self) -> None:
        """Load what was persisted, before anybody can connect, and record `restarted`.

        The old process is dead: its event loop is gone with all its tasks, and this runs in a new
        loop.
        """


@runtime_checkable
class Persistent(Restartable, Protocol):
    """One whose place another process can take, as it does over real sockets."""

    def keep(self, handover: Handover) -> None:
        """Take over what processes before this one have noted, and note from now on what the next
        one needs.

        Called before anything else, where a schedule lets the server crash. If there was a process
        before, `restart` follows, and the trace knows what has happened so far.
        """
