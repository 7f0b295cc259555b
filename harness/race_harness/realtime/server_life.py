"""The server of a trial over real sockets, from one process to the next.

A process with threads must not fork, and the trial process has some when a crash strikes. So those
that may take the server's place are forked before, and wait to be told to start. Each listens on
the ports of the one before.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence

from race_harness.model.combination import CLOCK_GOES_ON
from race_harness.model.trace import Happening
from race_harness.network.loopback import kept_port
from race_harness.realtime.processes import Child, await_stop
from race_harness.realtime.proxy import Proxy
from race_harness.realtime.record import SharedTrace
from race_harness.realtime.server_host import HostedServer
from race_harness.realtime.server_process import STOP, Start

STRUCK_EARLY = "server.process: it strikes a server that is only just being started again"


class ServerLife:
    """The life of the server, as acts of the schedule see it; and what is said to it.

    Args:
        processes: the first, and those that may take its place.
        unplayable: called with the reason why there is no such trial over real sockets.
    """

    def __init__(
        self,
        processes: Sequence[Child | HostedServer],
        trace: SharedTrace,
        unplayable: Callable[[str], None],
    ) -> None:
        self._processes = processes
        self._trace = trace
        self._unplayable = unplayable
        self._spares = deque(processes)
        self._current = self._spares.popleft()
        self._pid = 0
        """Of the process that listens; 0: none does."""
        self._killed = False
        self._wanted = threading.Event()
        """Set when the server is to be started again, or never will."""
        self._over = False
        self._keepers = [kept_port() for _ in range(2)] if self._spares else []
        self._proxy: Proxy | None = None

    def begin(self) -> None:
        """Start the first process."""
        self._current.line.send(self._start())

    def _start(self, *happened: Happening) -> Start:
        port, aside = [keeper.getsockname()[1] for keeper in self._keepers] or (0, 0)
        return Start(port, aside, happened)

    @property
    def current(self) -> Child | HostedServer:
        """The process whose turn it is."""
        return self._current

    @property
    def may_crash(self) -> bool:
        return bool(self._keepers)

    def listens(self, pid: int) -> None:
        """The current process does, from now on."""
        if isinstance(self._current, HostedServer):
            self._current.listens(pid)
        self._pid = pid

    def tell(self, message: object) -> None:
        """Tell the server; call it in the trace's turn."""
        self._current.line.send(message)

    def stop(self) -> None:
        """Ask the server to stop; it is never started again."""
        with self._trace.turn:
            self._over = True
            self._wanted.set()
            self._current.line.send(STOP)

    def end(self) -> None:
        """End all processes."""
        for process in self._processes:
            process.end()

    @property
    def has_crashed(self) -> bool:
        """Whether the schedule has killed the current process."""
        return self._killed

    def succeed(self) -> bool:
        """Let the next process take the place of one that has crashed, once it is to; return
        False if it never is."""
        self._current.end()
        self._wanted.wait()
        # What has happened by now is told at once, and what comes later, as it comes.
        with self._trace.turn:
            if self._over:
                return False
            self._wanted.clear()
            self._killed = False
            self._current = self._spares.popleft()
            self._current.line.send(self._start(*self._trace.happenings))
        return True

    # -- race_harness.server.process.Life ----------------------------------------------------

    def of(self, proxy: Proxy) -> "ServerLife":
        """Its clients come by way of this."""
        self._proxy = proxy
        return self

    def freeze(self) -> None:
        if self._pid:
            self._current.stop()
        else:
            self._unplayable(STRUCK_EARLY)

    def stand(self, until_ns: int) -> None:
        self._unplayable(f"server.process: {CLOCK_GOES_ON}")

    def thaw(self) -> None:
        self._current.resume()

    def crash(self) -> None:
        if not self._pid:
            self._unplayable(STRUCK_EARLY)
            return
        # It is told first that it has died: nobody may learn of it before, and it may do nothing
        # afterwards.
        self._current.stop()
        await_stop(self._pid)
        self._pid = 0
        assert self._proxy is not None
        clock = self._proxy.clock
        clock.call_at(clock.now_ns, self._kill)

    def _kill(self) -> None:
        self._killed = True
        self._current.kill()
        if self._proxy is not None:
            self._proxy.refuse_all()

    def start(self) -> None:
        self._wanted.set()
