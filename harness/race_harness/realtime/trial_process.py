"""The trial process: the client, its caller, and the proxy, next to the server process."""

import queue
import shutil
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from race_harness.clients import Adapter, dialect_of, host_of
from race_harness.model.errors import WorldBroken
from race_harness.model.moments import Moments
from race_harness.model.outcome import Outcome
from race_harness.model.schedule import Moment, Schedule
from race_harness.model.trace import Happening
from race_harness.network.faults import Faults
from race_harness.network.loopback import HOST
from race_harness.network.site import UvicornSite
from race_harness.realtime.processes import Child, Parent, fork, leave, stacks_of_others
from race_harness.realtime.proxy import Proxy
from race_harness.realtime.record import SharedTrace, digest_of, in_order
from race_harness.realtime.server_host import HostedServer, Served
from race_harness.realtime.server_life import ServerLife
from race_harness.realtime.server_process import HEARD, Done, Listening, Unplayable, serve
from race_harness.server.process import ProcessEvents
from race_harness.subjects.program import Gate, Program

LOOK_EVERY_S: Final = 0.005
"""Wall seconds between two looks at what the client shows; in the simulation each scheduling point
is a look."""
START_S: Final = 60.0
"""Wall seconds that a server may take to listen."""
STOP_S: Final = 10.0
"""Wall seconds that it may take to stop. Then it is killed, like the simulation's threads."""


@dataclass(frozen=True)
class Played:
    """A trial that has ended: what the caller got, and all that happened until then."""

    outcome: Outcome
    happenings: tuple[Happening, ...]
    digest: str
    stacks: dict[str, str]


class NotPlayed(Exception):
    """What the schedule asks for cannot be had over real sockets, as it has turned out."""


@dataclass(frozen=True)
class TrialTrouble:
    """Why there is no verdict."""

    says: str


def play(
    schedule: Schedule,
    adapter: Adapter,
    site: UvicornSite,
    home: str,
    limit_s: float,
    parent: Parent,
) -> None:
    """Run the trial, and send its `Played`, or `TrialTrouble`, to the parent."""
    _TrialProcess(schedule, adapter, site, home, limit_s, parent).run()


class _TrialProcess:
    def __init__(
        self,
        schedule: Schedule,
        adapter: Adapter,
        site: UvicornSite,
        home: str,
        limit_s: float,
        parent: Parent,
    ) -> None:
        began_ns = time.monotonic_ns()

        def clock() -> int:
            return time.monotonic_ns() - began_ns

        # This comes first, since a process that forks must not have threads.
        processes: list[Child | HostedServer] = []
        for _ in range(1 + sum(event.what == "crash" for event in schedule.server.process)):
            if (host := host_of(adapter)) is None:
                serving = partial(serve, schedule, adapter, site, home, clock)
                processes.append(fork(partial(_alone, serving, tuple(processes))))
            else:
                processes.append(HostedServer(host, Served(schedule, home, began_ns)))
        self._home = home
        self._leaving = threading.Lock()
        parent.watch(self._clear_away)
        self._parent = parent
        self._limit_s = limit_s
        self._schedule = schedule
        self._trace = SharedTrace(clock)
        self._server = ServerLife(processes, self._trace, self._not_playable)
        self._trace.listeners.append(self._tell_server)
        self._moments = Moments(self._trace)
        self._dialect = dialect_of(adapter)
        self._program = _WatchedProgram(schedule, adapter, self._trace, self._gate)
        self._news: queue.SimpleQueue[TrialTrouble | Unplayable | None] = queue.SimpleQueue()
        self._server_done = threading.Event()
        self._proxy: Proxy | None = None
        self._events: ProcessEvents | None = None

    def run(self) -> None:
        self._server.begin()
        ready = self._await_server()
        if not isinstance(ready, Listening):
            self._leave(ready)
            return
        network = self._schedule.network
        failed = self._fail
        proxy = Proxy(
            *(self._trace, network, self._schedule.entropy, ready.port, failed), self._dialect
        )
        self._proxy = proxy
        Faults(proxy, self._moments, network.faults)
        events = self._schedule.server.process
        life = self._server.of(proxy)
        self._events = ProcessEvents(life, proxy.clock, self._moments, events)
        url = f"http://{HOST}:{proxy.start(keeps_port=self._server.may_crash)}"
        aside = f"http://{HOST}:{ready.aside}"
        for work in (self._hear_server, self._keep_looking, self._end):
            name = f"harness: {work.__name__.strip('_')}"
            threading.Thread(target=work, name=name, daemon=True).start()
        # The client has the main thread, as in a program.
        try:
            self._program.play(url, aside)
        except BaseException:
            self._fail(traceback.format_exc())
        else:
            self._news.put(None)
        threading.Event().wait()  # The process ends with `_end`.

    def _await_server(self) -> Listening | TrialTrouble | Unplayable:
        line = self._server.current.line
        try:
            while line.waits(START_S):
                match line.receive():
                    case Happening() as happening:
                        self._trace.add(happening)
                    case Done(failure):
                        return TrialTrouble(f"the server failed: {failure}")
                    case Unplayable() as reason:
                        return reason
                    case Listening() as ready:
                        self._server.listens(ready.pid)
                        return ready
        except EOFError:
            return TrialTrouble("the server process died")
        return TrialTrouble(f"the server does not listen within {START_S:g} s")

    # -- each on a thread of its own ---------------------------------------------------------

    def _end(self) -> None:
        """Wait for the trial's end, or end it; tell the parent; leave."""
        stopped, stacks = None, {}
        try:
            trouble = self._news.get(timeout=self._limit_s)
        except queue.Empty:
            trouble = None
            stopped = f"wall-time limit: {self._limit_s:g} s"
            stacks = stacks_of_others()
        if self._proxy is not None:
            self._proxy.tell_busy()
        if self._events is not None:
            self._events.end()
        now_ns = self._trace.now_ns()
        outcome = self._program.outcome(stopped)
        self._server.stop()
        self._server_done.wait(STOP_S)
        trouble = trouble or self._bad_news()
        happenings = in_order(self._trace.happenings, now_ns)
        self._leave(trouble or Played(outcome, happenings, digest_of(happenings), stacks))

    def _bad_news(self) -> TrialTrouble | Unplayable | None:
        while not self._news.empty():
            if news := self._news.get():
                return news
        return None

    def _hear_server(self) -> None:
        """Record what the server's processes report, one after another."""
        try:
            while self._hear_process():
                ready = self._await_server()
                if not isinstance(ready, Listening):
                    self._news.put(ready)
                    break
                if self._proxy is not None:
                    self._proxy.accept_again()
        except Exception:
            self._fail(traceback.format_exc())
        self._server_done.set()

    def _hear_process(self) -> bool:
        """Record what one of them reports; return whether another one takes its place."""
        try:
            while not isinstance(message := self._server.current.line.receive(), Done):
                self._trace.add(message)
        except EOFError:
            if self._server.has_crashed:
                return self._server.succeed()
            self._fail("the server process died")
        else:
            if message.failure is not None:
                self._fail(f"the server failed: {message.failure}")
        return False

    def _keep_looking(self) -> None:
        try:
            while not self._server_done.wait(LOOK_EVERY_S):
                self._program.look()
        except Exception:
            self._fail(traceback.format_exc())

    # -- called by others --------------------------------------------------------------------

    def _fail(self, says: str) -> None:
        self._news.put(TrialTrouble(says))

    def _not_playable(self, reason: str) -> None:
        self._news.put(Unplayable(reason))

    def _tell_server(self, happening: Happening) -> None:
        if (happening.lane, happening.what) in HEARD:
            self._server.tell(happening)

    def _gate(self, moment: Moment) -> Gate:
        """A function that blocks its caller until the moment and its `after_ms` have passed."""
        come = threading.Event()
        at_ns = 0

        def note() -> None:
            nonlocal at_ns
            at_ns = self._trace.now_ns()
            come.set()

        def wait() -> None:
            come.wait()
            time.sleep(max(0.0, (at_ns - self._trace.now_ns()) / 1e9 + moment.after_ms / 1e3))

        self._moments.when(moment, note)
        return wait

    def _leave(self, message: Played | TrialTrouble | Unplayable) -> None:
        self._clear_away()
        self._parent.line.send(message)
        leave()

    def _clear_away(self) -> None:
        """End the server's processes and remove its home. The first thread that calls this then
        ends this process; others wait for that."""
        self._leaving.acquire()
        self._server.end()
        shutil.rmtree(self._home, ignore_errors=True)


def _alone(
    serving: Callable[[Parent], None], others: tuple[Child | HostedServer, ...], parent: Parent
) -> None:
    """Serve, and hold nothing of the processes that were forked before."""
    for other in others:
        if isinstance(other, Child):
            other.forget()
    serving(parent)


class _WatchedProgram(Program):
    """A program whose state another thread looks at, too."""

    def __init__(
        self,
        schedule: Schedule,
        adapter: Adapter,
        trace: SharedTrace,
        gate: Callable[[Moment], Gate],
    ) -> None:
        self._looking = threading.Lock()
        super().__init__(schedule, adapter, trace, gate)

    def look(self, at_ns: int | None = None) -> None:
        with self._looking:
            super().look(at_ns)


def played_of(message: Played | TrialTrouble | Unplayable) -> Played:
    """Raises WorldBroken: there was trouble; NotPlayed: it cannot be played."""
    if isinstance(message, Unplayable):
        raise NotPlayed(message.reason)
    if isinstance(message, TrialTrouble):
        raise WorldBroken(message.says)
    return message
