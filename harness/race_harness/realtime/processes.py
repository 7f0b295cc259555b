"""Child processes by fork, none of which outlives its parent.

Each has a line to its parent, and a pipe on which nothing is ever written: if the pipe ends, the
parent is gone, however that happened.
"""

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from race_harness.model.errors import WorldBroken

_LOOK_EVERY_S = 0.005
_STOPS_S = 10.0
_STOP_LOOK_S = 0.000_2


class Line:
    """One end of a line between two processes. Any thread may send; messages stay whole.

    `receive` raises EOFError once no process holds the other end.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, message: object) -> None:
        # If the other side is gone, the caller who needs an answer will notice.
        with self._sending, contextlib.suppress(OSError):
            self._connection.send(message)

    def receive(self) -> Any:
        try:
            return self._connection.recv()
        except OSError:
            raise EOFError from None

    def waits(self, seconds: float = 0.0) -> bool:
        """Whether a message, or the end, comes within that many wall seconds."""
        return self._connection.poll(seconds)

    def fileno(self) -> int:
        return self._connection.fileno()

    def close(self) -> None:
        self._connection.close()


class Parent:
    """A child's view of its parent."""

    def __init__(self, line: Line, life: int) -> None:
        self.line = line
        self._life = life

    def watch(self, when_gone: Callable[[], object]) -> None:
        """From now on, call `when_gone` and end this process when the parent is gone.

        This starts a thread, so fork everything else before.
        """

        def watch() -> None:
            os.read(self._life, 1)
            try:
                when_gone()
            finally:
                os._exit(1)

        threading.Thread(target=watch, name="parent's end", daemon=True).start()


class Child:
    """A parent's view of its child."""

    def __init__(self, pid: int, line: Line, life: int, *, leads_group: bool) -> None:
        self.line = line
        self._pid = pid
        self._life = life
        self._leads_group = leads_group
        self.status: int | None = None
        """The status of `os.waitpid`, once it has ended."""

    def end(self, patience_s: float = 0.0) -> None:
        """Return when the child has ended: by itself within that time, or killed."""
        deadline = time.monotonic() + patience_s
        while not self._ended(os.WNOHANG) and time.monotonic() < deadline:
            time.sleep(_LOOK_EVERY_S)
        if self.status is None:
            self._kill()
            self._ended(0)

    def stop(self) -> None:
        """Let none of its threads run, until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Let it die, without waiting for that."""
        self._signal(signal.SIGKILL)

    def forget(self) -> None:
        """Of another child, which was forked later: close the descriptors that lead to it."""
        self.line.close()
        os.close(self._life)

    def close(self) -> None:
        """End the child, and close the descriptors that lead to it."""
        self.end()
        self.forget()

    def _ended(self, options: int) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self._pid, options)
            self.status = status if pid else None
        return self.status is not None

    def _signal(self, number: signal.Signals) -> None:
        if self.status is None:  # After a wait, another process may have its number.
            os.kill(self._pid, number)

    def _kill(self) -> None:
        # Nobody has waited for it, so no other process can have its number.
        (os.killpg if self._leads_group else os.kill)(self._pid, signal.SIGKILL)


def await_stop(pid: int) -> None:
    """Wait until no thread of a process runs any more that was sent SIGSTOP.

    Raises:
        WorldBroken: it does not stop.
    """
    deadline = time.monotonic() + _STOPS_S
    while any(map(_runs, Path(f"/proc/{pid}/task").glob("*/stat"))):
        if time.monotonic() > deadline:
            raise WorldBroken(f"the server process does not stop within {_STOPS_S:g} s")
        time.sleep(_STOP_LOOK_S)


def _runs(stat: Path) -> bool:
    try:
        # proc_pid_stat(5): the state comes after the name, which may hold anything.
        state = stat.read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "TtZX"


def fork(body: Callable[[Parent], None], *, leads_group: bool = False) -> Child:
    """Run `body` in a child process, which ends with it.

    `leads_group` puts it, and what it forks, into a process group of its own: when the parent's
    group is killed, it still has the time to clean up.
    """
    ours, theirs = Pipe()
    life_read, life_write = os.pipe()

    def run() -> None:
        ours.close()
        os.close(life_write)
        if leads_group:
            _lead_group(os.getpid())
        body(Parent(Line(theirs), life_read))

    pid = _forked(run)
    theirs.close()
    os.close(life_read)
    if leads_group:
        _lead_group(pid)
    return Child(pid, Line(ours), life_write, leads_group=leads_group)


def fork_apart(body: Callable[[Parent], None], line: int, life: int) -> None:
    """Run `body` in a child process for the process at the other ends of these descriptors.

    The caller must close them, and wait for the child.
    """
    _forked(lambda: body(Parent(Line(Connection(line)), life)))


def _forked(run: Callable[[], None]) -> int:
    """Fork a process that only calls `run`; return its number."""
    with warnings.catch_warnings():
        # The child does not need the parent's threads, such as a worker's watchdog.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        run()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        leave(status)
    raise AssertionError("unreachable")


def leave(status: int = 0) -> None:
    """End this child at once: the exit handlers are its parent's."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()
    os._exit(status)


def stacks_of_others() -> dict[str, str]:
    """Thread name to stack, innermost call last, of every thread but the caller's."""
    frames = sys._current_frames()
    return {
        f"{number} {thread.name}": "".join(traceback.format_stack(frames[thread.ident]))
        for number, thread in enumerate(threading.enumerate())
        if thread.ident in frames and thread is not threading.current_thread()
    }


def _lead_group(pid: int) -> None:
    # Parent and child both do this, since neither knows who is first.
    with contextlib.suppress(OSError):
        os.setpgid(pid, pid)
