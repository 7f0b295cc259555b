"""The simulated world of one trial, from its first thread to its last.

Everything in it is made anew for each trial and gone after it; only what is slow to make and
keeps no state of a trial (the imported client, the loaded application) outlives it.
"""

import asyncio
import threading
import traceback
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from race_harness.model.errors import WorldBroken
from race_harness.model.limits import work_s
from race_harness.model.moments import Moments
from race_harness.model.schedule import Moment, Schedule
from race_harness.model.trace import Happening, append_log
from race_harness.network.dialect import Dialect
from race_harness.network.faults import Faults
from race_harness.network.site import URL, UvicornSite
from race_harness.sim.children import PATIENCE_S, Children
from race_harness.sim.choice import choice_of
from race_harness.sim.inside import inside
from race_harness.sim.kernel import MILLISECOND, SECOND, Kernel, Strand
from race_harness.sim.stalls import Lines
from race_harness.sim.tcp import SimNetwork

LIMIT_S = 300
"""Virtual seconds that a trial may take beyond its settle time, the agent's work, callbacks and
stalls at lines."""
LEAVE_S = 60
"""Virtual seconds that threads have to end by themselves after a trial, before they are killed."""


@dataclass(frozen=True)
class Ending:
    """How a trial ended: all that happened until then, and why it had to be stopped, if so."""

    happenings: tuple[Happening, ...]
    digest: str
    stopped: str | None
    stacks: dict[str, str]


class Simulation:
    """The world of one trial. `trace` is there before anything runs.

    `source` names the modules of the client to whose lines the schedule may refer; `dialect` has
    the words for what goes over its connections.
    """

    def __init__(
        self,
        schedule: Schedule,
        source: Sequence[str] = (),
        dialect: Dialect | None = None,
        *,
        child_processes: bool = False,
    ) -> None:
        interleaving = schedule.interleaving
        limit_s = LIMIT_S + schedule.caller.settle_s + work_s(schedule)
        self.kernel = Kernel(choice_of(interleaving), limit_ns=round(limit_s * SECOND))
        self.trace = self.kernel.trace
        self.lines = Lines(self.kernel, interleaving, source)
        self._network = SimNetwork(self.kernel, schedule.network, schedule.entropy, dialect)
        self._seed = schedule.entropy
        self._server: Strand | None = None
        self._children = Children(self.kernel) if child_processes else None
        self._moments = Moments(self.trace)
        Faults(self._network, self._moments, schedule.network.faults)

    def gate(self, moment: Moment) -> Callable[[], None]:
        """What blocks the thread that calls it until the moment has come, and its `after_ms`."""
        kernel = self.kernel
        passed_ns: int | None = None
        waiting: Strand | None = None

        def come() -> None:
            nonlocal passed_ns
            passed_ns = kernel.now_ns
            if waiting is not None:
                kernel.wake(waiting)

        def wait() -> None:
            nonlocal waiting
            waiting = kernel.strand_of_caller()
            while passed_ns is None:
                kernel.block(f"moment {moment.what}")
            left_ns = passed_ns + round(moment.after_ms * MILLISECOND) - kernel.now_ns
            if left_ns > 0:
                kernel.block("sleep", kernel.now_ns + left_ns)

        self._moments.when(moment, come)
        return wait

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
        happenings: tuple[Happening, ...] = ()
        digest = ""
        log: list[str] = []

        def main() -> None:
            nonlocal happenings, digest, log
            try:
                stop = self._start(site, shutdown)
                self.kernel.probe = self.trace.probe = self._of_clients(probe)
                with self.lines.watched():
                    body(URL)
            finally:
                self.kernel.probe = self.trace.probe = None
                self._network.tell_busy()
                happenings = tuple(self.trace.happenings)
                digest, log = self.trace.digest(), self.trace.log()
            stop()
            self._let_leave()

        with inside(self.kernel, self._network, self._seed, self._children):
            try:
                self.kernel.run(main)
            except Exception as error:
                # A refusal that nobody caught does not say where it was; what was noted does.
                self._assert_whole(error)
                raise
        self._assert_whole()
        if self.kernel.stop_reason is not None and self._children and self._children.left_alone:
            # It may have been just about to say what was waited for.
            raise WorldBroken(
                f"a child process said nothing for {PATIENCE_S:g} s of real time, and virtual "
                f"time passed beside it until the trial was stopped ({self.kernel.stop_reason}): "
                "there is no verdict. Let it speak or end sooner, or do without it in trials"
            )
        append_log(log, digest)
        return Ending(happenings, digest, self.kernel.stop_reason, self.kernel.stacks)

    def _of_clients(self, probe: Callable[[], None]) -> Callable[[], None]:
        """The server's own thread changes nothing that a client shows, nor does the network."""
        kernel, server = self.kernel, self._server

        def look() -> None:
            if kernel.current is not server and not kernel.between_strands:
                probe()

        return look

    def _assert_whole(self, cause: Exception | None = None) -> None:
        if self.kernel.violations:
            what = f"the simulation lost control: {self.kernel.violations[0]}"
            raise WorldBroken(what) from cause

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
            try:
                asyncio.run(serve())
            except Exception:
                self.kernel.violations.append(f"the server failed:\n{traceback.format_exc()}")
                started.set()

        threading.Thread(target=run, name="server", daemon=True).start()
        started.wait()

        def stop_server() -> None:
            loop, stop = stopping[0]
            loop.call_soon_threadsafe(stop.set)

        return stop_server

    def _let_leave(self) -> None:
        """Threads that end by themselves leave nothing half done; the rest is killed."""
        deadline_ns = self.kernel.now_ns + LEAVE_S * SECOND
        for strand in self.kernel.strands[1:]:
            if not self.kernel.join(strand, deadline_ns):
                return
