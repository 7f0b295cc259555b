"""A world with a server that the harness serves, and a client that is looked at all the time."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence

from race_harness.model.errors import with_its_stack
from race_harness.model.schedule import Schedule
from race_harness.network.dialect import Dialect
from race_harness.network.loopback import ASIDE_PORT, PORT
from race_harness.network.site import URL, UvicornSite
from race_harness.server.process import ProcessEvents
from race_harness.sim.kernel import Kernel, Process, Strand
from race_harness.sim.world import LIMIT_S, Ending, World


class Simulation(World):
    """The world of one trial of a conversation."""

    _server: Strand | None = None

    def __init__(
        self,
        schedule: Schedule,
        source: Sequence[str] = (),
        dialect: Dialect | None = None,
        *,
        child_processes: bool = False,
        limit_s: float = LIMIT_S,
    ) -> None:
        super().__init__(
            schedule, source, dialect, child_processes=child_processes, limit_s=limit_s
        )
        self._life = SimulatedLife(self.kernel)
        events = schedule.server.process
        self._events = ProcessEvents(self._life, self.kernel, self.moments, events)

    def run(
        self,
        site: UvicornSite,
        body: Callable[[str], None],
        probe: Callable[[], None],
        shutdown: Callable[[], Awaitable[None]],
    ) -> Ending:
        """Serve `site` and run `body` against its URL, under control.

        `probe` is called before another thread may go on, time pass, or something be recorded;
        `shutdown` in the server's loop when `body` is done.

        Raises:
            WorldBroken: something escaped the simulation or reached for something real.
        """
        stops: list[Callable[[], None]] = []

        def main() -> None:
            self.network.aside[ASIDE_PORT] = PORT
            stops.append(self._start(site, shutdown))
            self.kernel.probe = self.trace.probe = self._of_clients(probe)
            with self.lines.watched():
                body(URL)

        return self.play(main, lambda: stops[0]())

    def _of_clients(self, probe: Callable[[], None]) -> Callable[[], None]:
        """The server's own thread changes nothing that a client shows, nor does the network."""
        kernel, server = self.kernel, self._server

        def look() -> None:
            if kernel.current is not server and not kernel.between_strands:
                probe()

        return look

    def _start(
        self, site: UvicornSite, shutdown: Callable[[], Awaitable[None]]
    ) -> Callable[[], None]:
        """Start the server's thread; the result stops it."""
        started = threading.Event()
        stopping: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

        async def serve() -> None:
            stop = asyncio.Event()
            stopping.append((asyncio.get_running_loop(), stop))
            try:
                await site.serve(started.set, stop)
            finally:
                await shutdown()

        def run() -> None:
            self._server = self.kernel.strand_of_caller()
            self._server.process = self._life.process
            try:
                asyncio.run(serve())
            except Exception as error:
                self.kernel.violations.append(f"the server failed: {with_its_stack(error)}")
                started.set()

        threading.Thread(target=run, name="server", daemon=True).start()
        started.wait()

        def stop_server() -> None:
            self._events.end()
            loop, stop = stopping[0]
            loop.call_soon_threadsafe(stop.set)

        return stop_server


class SimulatedLife:
    """The server's process in the simulation: its threads, which may stand still."""

    def __init__(self, kernel: Kernel) -> None:
        self.process = Process()
        self._kernel = kernel

    def freeze(self) -> None:
        self._kernel.stop(self.process)

    def thaw(self) -> None:
        self._kernel.resume(self.process)
