"""A world in which the harness runs a server and watches the client all the time."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from race_harness.model.errors import with_its_stack
from race_harness.model.schedule import Schedule
from race_harness.network.dialect import Dialect
from race_harness.network.loopback import ASIDE_PORT, PORT
from race_harness.network.site import URL, UvicornSite
from race_harness.server.process import ProcessEvents
from race_harness.sim.kernel import Kernel
from race_harness.sim.strands import Process, Strand
from race_harness.sim.tcp import SimNetwork
from race_harness.sim.world import LIMIT_S, Ending, World


class Simulation(World):
    """The world of one trial of a conversation."""

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
        self._server: Strand | None = None
        self._life = SimulatedLife(self.kernel, self.network)
        events = schedule.server.process
        self._events = ProcessEvents(self._life, self.kernel, self.moments, events)

    def run(
        self,
        site: UvicornSite,
        body: Callable[[str], None],
        probe: Callable[[], None],
        shutdown: Callable[[], Awaitable[None]],
        restart: Callable[[], Awaitable[None]] | None = None,
    ) -> Ending:
        """Serve `site` and run `body` against its URL, under control.

        `probe` is called before another thread may run, time pass, or something be recorded;
        `shutdown` in the server's loop when `body` is done; `restart` in a new loop when the
        schedule lets the server start again after a crash.

        Raises:
            WorldBroken: something escaped the simulation or reached for something real.
        """
        stops: list[Callable[[], None]] = []

        def main() -> None:
            self.network.aside[ASIDE_PORT] = PORT
            stops.append(self._start(site, shutdown, restart))
            self.kernel.probe = self.trace.probe = self._of_clients(probe)
            with self.lines.watched():
                body(URL)

        return self.play(main, lambda: stops[0]())

    def _of_clients(self, probe: Callable[[], None]) -> Callable[[], None]:
        """The probe, skipped after the server's own thread and the network: neither changes what
        a client shows."""
        kernel, server = self.kernel, self._server

        def look() -> None:
            if kernel.current is not server and not kernel.between_strands:
                probe()

        return look

    def _start(
        self,
        site: UvicornSite,
        shutdown: Callable[[], Awaitable[None]],
        restart: Callable[[], Awaitable[None]] | None,
    ) -> Callable[[], None]:
        """Start the server's thread; the result stops it."""
        started = threading.Event()
        stopping: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

        async def serve(*, again: bool) -> None:
            stop = asyncio.Event()
            stopping.append((asyncio.get_running_loop(), stop))
            try:
                if again and restart is not None:
                    await restart()
                await site.serve(started.set, stop, again=again)
            finally:
                await shutdown()

        def run(*, again: bool) -> None:
            self._server = self.kernel.strand_of_caller()
            self._server.process = self._life.process
            try:
                asyncio.run(serve(again=again))
            except Exception as error:
                self.kernel.violations.append(f"the server failed: {with_its_stack(error)}")
                started.set()

        def start(*, again: bool) -> None:
            threading.Thread(
                target=run, kwargs={"again": again}, name="server", daemon=True
            ).start()

        start(again=False)
        started.wait()
        if restart is not None:
            supervise = partial(self._life.supervise, partial(start, again=True))
            threading.Thread(target=supervise, name="supervisor", daemon=True).start()

        def stop_server() -> None:
            self._events.end()
            self._life.end()
            loop, stop = stopping[-1]
            if not self._life.process.dead:
                loop.call_soon_threadsafe(stop.set)

        return stop_server


class SimulatedLife:
    """The server's process in the simulation: its threads and its sockets."""

    def __init__(self, kernel: Kernel, network: SimNetwork) -> None:
        self.process = Process()
        self._kernel = kernel
        self._network = network
        self._wanted = self._over = False
        self._supervisor: Strand | None = None

    def freeze(self) -> None:
        self._kernel.stop(self.process)

    def stand(self, until_ns: int) -> None:
        if self.process.stands_since_ns is None:
            self._kernel.stand(self.process)
        self._network.hold_back(PORT, until_ns)

    def thaw(self) -> None:
        self._kernel.resume(self.process)

    def crash(self) -> None:
        if not self.process.stopped:
            self._kernel.stop(self.process)
        self.process.dead = True
        # Not now: the write that triggered the crash must end first.
        self._kernel.call_at(self._kernel.now_ns, partial(self._network.perish, PORT))

    def start(self) -> None:
        self._wanted = True
        self._wake()

    def end(self) -> None:
        """Never start the server again."""
        self._over = True
        self._wake()

    def supervise(self, start: Callable[[], None]) -> None:
        """Call `start`, on the calling thread, whenever the server shall start again."""
        self._supervisor = self._kernel.strand_of_caller()
        while not self._over:
            if self._wanted:
                self._wanted, self.process = False, Process(self.process.stood_ns)
                start()
            else:
                self._kernel.block("whether the server is to start again")

    def _wake(self) -> None:
        if self._supervisor is not None:
            self._kernel.wake(self._supervisor)
