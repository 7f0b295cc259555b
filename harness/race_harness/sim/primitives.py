"""What `threading` is built on: locks and threads, of the kernel in a trial, real outside.

`threading.Condition`, `Event`, `Semaphore`, `Queue` and the pure-Python `RLock` are made of
these, so they need nothing of their own. `sim.early` installs the stand-ins before any client is
imported: a lock that a module makes at its import serves inside and outside of trials.
"""

import _thread
import sys
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

from race_harness.sim import kernel as kernels
from race_harness.sim.kernel import Kernel
from race_harness.sim.strands import Strand

_allocate_lock = _thread.allocate_lock


class SimLock:
    """Stands in for `threading.Lock`. In a trial waiters are woken first come, first served."""

    __slots__ = ("__weakref__", "_lock", "_taken_in", "_waiters")

    def __init__(self) -> None:
        self._lock = _allocate_lock()
        self._taken_in: Kernel | None = None
        """The trial in which it was acquired last; None: outside."""
        self._waiters: deque[Strand] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        kernel = kernels.active
        if kernel is None:
            return self._acquire_outside(blocking, timeout)
        if not blocking and timeout != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        if timeout < 0 and timeout != -1:
            raise ValueError("timeout value must be a non-negative number")
        # A thread that unwinds from `Condition.wait` takes its lock again, to release it later.
        if blocking and not kernel.ending:
            kernel.pause(self)
        if self._lock.acquire(False):
            self._taken_in = kernel
            return True
        if self._taken_in is not kernel and self._left_by_another_trial(kernel):
            return True
        if not blocking:
            return False
        deadline_ns = None if timeout == -1 else kernel.after(timeout)
        me = kernel.strand_of_caller()
        while True:
            self._waiters.append(me)
            woken = kernel.block("lock", deadline_ns, self)
            if not woken and me in self._waiters:
                # Otherwise the lock was released at the very instant of the deadline.
                self._waiters.remove(me)
            if self._lock.acquire(False):
                self._taken_in = kernel
                return True
            if not woken:
                return False

    def _left_by_another_trial(self, kernel: Kernel) -> bool:
        """Take it over from a thread of an earlier trial, which was killed while it held it."""
        if self._taken_in is None:
            return False
        self._taken_in = kernel
        self._waiters.clear()
        return True

    def _acquire_outside(self, blocking: bool, timeout: float) -> bool:
        if blocking and self._taken_in is not None and self._lock.locked():
            raise RuntimeError("a lock of an ended trial is still held")
        taken = self._lock.acquire(blocking, timeout)
        if taken:
            self._taken_in = None
        return taken

    def release(self) -> None:
        kernel = kernels.active
        try:
            self._lock.release()
        except RuntimeError:
            if kernel is None or not kernel.ending:
                raise
        if self._waiters and kernel is not None:
            kernel.wake(self._waiters.popleft())

    def locked(self) -> bool:
        return self._lock.locked()

    # Without this, `threading.Condition` would try to acquire the lock to find out.
    _is_owned = locked

    def _at_fork_reinit(self) -> None:
        self.__init__()  # type: ignore[misc]

    __enter__ = acquire

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.release()


class SimRLock(threading._PyRLock):  # type: ignore[misc, name-defined]
    """Stands in for `threading.RLock`: the pure-Python one, on a `SimLock`."""

    # trio accepts a lock as reentrant only if it claims to be the C version.
    __module__ = "_thread"

    def release(self) -> None:
        try:
            super().release()
        except RuntimeError:
            # Unwinding, a strand may not have got back a lock that another one holds. Its error
            # would take the place of what ends it.
            kernel = kernels.active
            if kernel is None or not kernel.ending:
                raise


if sys.version_info >= (3, 13):
    _start_joinable_thread = threading._start_joinable_thread  # type: ignore[attr-defined]
    _RealHandle = threading._ThreadHandle  # type: ignore[attr-defined]

    class SimThreadHandle:
        """Stands in for `_thread._ThreadHandle` (Python 3.13)."""

        def __init__(self) -> None:
            self._strand: Strand | None = None
            self._real: Any = None

        @property
        def ident(self) -> int:
            if self._real is not None:
                return int(self._real.ident)
            return self._strand.ident if self._strand is not None else 0

        def is_done(self) -> bool:
            if self._real is not None:
                return bool(self._real.is_done())
            return self._strand is not None and self._strand.done

        def join(self, timeout: float | None = None) -> None:
            if self._real is not None:
                self._real.join(timeout)
                return
            kernel = kernels.active
            if self._strand is None or self._strand.done or kernel is None:
                return
            deadline_ns = None
            if timeout is not None and timeout >= 0:
                deadline_ns = kernel.after(timeout)
            kernel.join(self._strand, deadline_ns)

        def _set_done(self) -> None:
            """`threading._after_fork` calls this for the threads of the parent."""
            if self._real is not None:
                self._real._set_done()

    def start_joinable_thread(
        function: Callable[[], object],
        handle: SimThreadHandle | None = None,
        daemon: bool = True,
    ) -> SimThreadHandle:
        """Stands in for `_thread.start_joinable_thread` (Python 3.13)."""
        handle = handle or SimThreadHandle()
        kernel = kernels.active
        if kernel is None:
            handle._real = _start_joinable_thread(function, _RealHandle(), daemon)
        else:
            handle._strand = kernel.spawn(function, _name(function))
        return handle

    STAND_INS: Final[dict[str, Any]] = {
        "_start_joinable_thread": staticmethod(start_joinable_thread),
        "_ThreadHandle": SimThreadHandle,
    }
    """By their names in `threading`."""
else:
    _start_new_thread = threading._start_new_thread  # type: ignore[attr-defined]
    _set_sentinel = threading._set_sentinel  # type: ignore[attr-defined]

    def start_new_thread(
        function: Callable[..., object], args: tuple[Any, ...], kwargs: Any = None
    ) -> int:
        """Stands in for `_thread.start_new_thread` as `threading` of Python 3.12 calls it."""
        kernel = kernels.active
        if kernel is None:
            return int(_start_new_thread(function, args, kwargs or {}))
        return kernel.spawn(function, _name(function)).index

    def set_sentinel() -> Any:
        """Stands in for `_thread._set_sentinel` (Python 3.12): a lock that is released when the
        thread ends."""
        kernel = kernels.active
        if kernel is None:
            return _set_sentinel()
        lock = SimLock()
        kernel.strand_of_caller().at_end.append(lock.release)
        return lock

    STAND_INS: Final[dict[str, Any]] = {
        "_start_new_thread": staticmethod(start_new_thread),
        "_set_sentinel": staticmethod(set_sentinel),
    }

STAND_INS.update({"Lock": SimLock, "_allocate_lock": SimLock, "RLock": SimRLock})


def keep_own_locks_real() -> None:
    """Give `threading` real locks again in a child process, where `threading._after_fork` has made
    its own ones from the stand-ins. Real ones, as in the parent, are no scheduling points, and
    nobody waits in them."""
    for name, lock in (
        ("_active_limbo_lock", threading._CRLock()),  # type: ignore[attr-defined]
        ("_shutdown_locks_lock", _allocate_lock()),  # up to Python 3.12
    ):
        if hasattr(threading, name):
            setattr(threading, name, lock)


def _name(function: Callable[[], object]) -> str:
    """The name of the `threading.Thread` whose bootstrap this is."""
    return str(getattr(getattr(function, "__self__", None), "name", "thread"))
