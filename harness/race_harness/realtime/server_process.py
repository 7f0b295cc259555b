"""The server process: the adapter's server on a loopback port, in a home of its own."""

import asyncio
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from race_harness.clients import Adapter
from race_harness.model.errors import WorldBroken, with_its_stack
from race_harness.model.schedule import Schedule
from race_harness.model.trace import Happening
from race_harness.network.loopback import listening_socket
from race_harness.network.site import UvicornSite
from race_harness.realtime.clock import precise_loop
from race_harness.realtime.processes import Line, Parent, leave
from race_harness.realtime.record import SharedTrace
from race_harness.server import Persistent
from race_harness.server.disk import FILLED, FREED
from race_harness.server.handover import Handover
from race_harness.server.wall_clock import STEPPED

NOT_KEPT: Final = "server.process: this server keeps nothing that another process could take up"


@dataclass(frozen=True)
class Start:
    """Message to a server process: it is its turn."""

    port: int
    """Where to listen; 0: anywhere."""
    aside: int
    happened: tuple[Happening, ...]
    """What has happened so far, if it takes the place of one that has died."""


@dataclass(frozen=True)
class Unplayable:
    """Why there is no such trial over real sockets."""

    reason: str


@dataclass(frozen=True)
class Listening:
    """Message of the server process: it listens."""

    port: int
    aside: int
    """The port for other users than the client."""
    pid: int


@dataclass(frozen=True)
class Done:
    """Message of the server process: it has stopped, and has sent everything."""

    failure: str | None = None
    """The stack of an error in the server."""


STOP: Final = "stop"
"""Message to the server process. All else on the line are happenings, in both directions."""

HEARD: Final = frozenset(
    {
        *(("client", what) for what in ("run-called", "run-returned", "run-raised")),
        *(("client", what) for what in ("act-called", "close-called")),
        STEPPED,
        FILLED,
        FREED,
    }
)
"""Lane and name of those that the server process is told, and does not tell itself."""


def serve(
    schedule: Schedule,
    adapter: Adapter,
    site: UvicornSite,
    home: str,
    clock: Callable[[], int],
    parent: Parent,
) -> None:
    """Wait to be told to start, and serve until told to stop. The working directory and HOME are
    `home`."""
    parent.watch(lambda: shutil.rmtree(home, ignore_errors=True))
    line = parent.line
    try:
        start: Start = line.receive()
    except EOFError:
        return
    os.chdir(home)
    os.environ["HOME"] = home
    try:
        trace = SharedTrace(clock)
        trace.happenings += start.happened
        trace.listeners.append(lambda happening: _tell(line, happening))
        server = adapter.serve(schedule, trace)
        if server.app is None:
            raise WorldBroken("a client that starts its server itself cannot run in real time")
        if any(event.what == "crash" for event in schedule.server.process):
            if not isinstance(server, Persistent):
                line.send(Unplayable(NOT_KEPT))
                return
            _keep(server, Path(home), site, line)
        hearing = _Hearing(line, trace)
        site.app = hearing.before(server.app)

        async def main() -> None:
            stop = asyncio.Event()
            hearing.begin(stop)
            try:
                if start.happened and isinstance(server, Persistent):
                    await server.restart()
                listener, aside = listening_socket(start.port), listening_socket(start.aside)
                ports = (listener.getsockname()[1], aside.getsockname()[1])
                listening = Listening(*ports, os.getpid())
                try:
                    await site.serve(lambda: line.send(listening), stop, listener, aside)
                finally:
                    await server.aclose()
            except Exception as error:
                line.send(Done(with_its_stack(error)))
            else:
                line.send(Done())
            # The remaining tasks and threads end with the process.
            leave()

        asyncio.run(main(), loop_factory=precise_loop)
    except Exception as error:
        line.send(Done(with_its_stack(error)))


def _keep(server: Persistent, home: Path, site: UvicornSite, line: Line) -> None:
    def failed(error: BaseException) -> None:
        line.send(Done(with_its_stack(error)))

    site.on_failure = failed
    server.keep(Handover(home, failed))


def _tell(line: Line, happening: Happening) -> None:
    if (happening.lane, happening.what) not in HEARD:
        line.send(happening)


class _Hearing:
    """Receives from the trial process what the caller does, what happens to the machine, and when
    to stop.

    The server may wait for an act of the caller ("from the call of run() on"). The message comes
    before the client sends anything of that act, so reading before each request is early enough.
    """

    def __init__(self, line: Line, trace: SharedTrace) -> None:
        self._line = line
        self._trace = trace
        self._stop = asyncio.Event()

    def begin(self, stop: asyncio.Event) -> None:
        """Begin to listen; call it in the server's loop."""
        self._stop = stop
        asyncio.get_running_loop().add_reader(self._line.fileno(), self._hear)

    def before(self, app: ASGIApp) -> ASGIApp:
        async def served(scope: Scope, receive: Receive, send: Send) -> None:
            self._hear()
            await app(scope, receive, send)

        return served

    def _hear(self) -> None:
        while self._line.waits():
            try:
                message = self._line.receive()
            except EOFError:
                asyncio.get_running_loop().remove_reader(self._line.fileno())
                self._stop.set()
                return
            if isinstance(message, Happening):
                self._trace.add(message)
            else:
                self._stop.set()
