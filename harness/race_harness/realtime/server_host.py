"""Server processes of another interpreter than the client's, for trials over real sockets.

The *host* runs in the server's environment. It imports the server once, and forks a process for
each trial that asks. Requests come over a socket, each with two descriptors: a line to the trial
process, and a socket whose end means that one of the two is gone.
"""

import contextlib
import os
import signal
import socket
import time
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Final

from race_harness.clients import Adapter
from race_harness.model.schedule import Schedule
from race_harness.network.site import UvicornSite
from race_harness.realtime.processes import Line, Parent, fork_apart
from race_harness.realtime.server_process import serve

_ASKED: Final = b"serve"
_GONE_S: Final = 10.0
"""Wall seconds to wait for the end of a server process whose trial is over."""


@dataclass(frozen=True)
class Served:
    """What a trial asks of its server process."""

    schedule: Schedule
    home: str
    began_ns: int
    """A time of `time.monotonic_ns()`, which all processes of a machine share."""


def host(adapter: Adapter, asked: socket.socket) -> None:
    """Fork server processes until no process is left that could ask for one."""
    site = UvicornSite()
    while True:
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        message, descriptors, _, _ = socket.recv_fds(asked, len(_ASKED), 2)
        if not message:
            return
        line, life = descriptors
        for each in descriptors:
            os.set_inheritable(each, False)
        try:
            fork_apart(partial(_serve, adapter, site, asked), line, life)
        finally:
            os.close(line)
            os.close(life)


def _serve(adapter: Adapter, site: UvicornSite, asked: socket.socket, parent: Parent) -> None:
    asked.close()
    wanted: Served = parent.line.receive()

    def clock() -> int:
        return time.monotonic_ns() - wanted.began_ns

    serve(wanted.schedule, adapter, site, wanted.home, clock, parent)


class HostedServer:
    """A trial process's view of a server process that the host has forked for it."""

    def __init__(self, ask: socket.socket, wanted: Served) -> None:
        ours, theirs = socket.socketpair()
        self._life, their_life = socket.socketpair()
        with theirs, their_life:
            socket.send_fds(ask, [_ASKED], [theirs.fileno(), their_life.fileno()])
        self._life.settimeout(_GONE_S)
        self.line = Line(Connection(ours.detach()))
        self.line.send(wanted)

    def listens(self, pid: int) -> None:
        """Take the process's number, by which it can be stopped from now on."""
        self._process = os.pidfd_open(pid)

    def stop(self) -> None:
        """Let none of its threads run, until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Let it die, without waiting for that."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # By a descriptor: once it has ended, another process may have its number.
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, number)

    def end(self) -> None:
        """End it, and wait until it has ended: then everything that it held is closed."""
        with contextlib.suppress(OSError):
            self._life.shutdown(socket.SHUT_WR)
            self._life.recv(1)
