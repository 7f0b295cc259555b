"""What `threading` is built on, on the kernel: the lock, the thread and its handle.

`threading.Condition`, `Event`, `Semaphore`, `Queue` and the pure-Python `RLock` are made of
these and follow by themselves. Outside a trial a lock made here still works as an uncontended
one: a module imported during a trial may keep it.
"""

import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType

from race_harness.sim import kernel as kernels
from race_harness.sim.kernel import Strand


class SimLock:
    """Stands in for `threading.Lock`. Waiters are woken first come, first served."""

    __slots__ = ("__weakref__", "_locked", "_waiters")

    def __init__(self) -> None:
        self._locked = False
        self._waiters: deque[Strand] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if not blocking and timeout != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        if timeout < 0 and timeout != -1:
            raise ValueError("timeout value must be a non-negative number")
        kernel = kernels.active
        if kernel is None:
            if self._locked and blocking:
                raise RuntimeError("a lock of an ended trial is still held")
            free = not self._locked
            self._locked = True
            return free
        # Unwinding from a wait takes the lock again that is then released: `Condition.wait`.
        if blocking and not kernel.ending():
            kernel.pause(self)
        if not self._locked:
            self._locked = True
            return True
        if not blocking:
            return False
        deadline = None if timeout == -1 else kernel.after(timeout)
        me = kernel.strand_of_caller()
        while True:
            self._waiters.append(me)
            woken = kernel.block("lock", deadline, self)
            if not woken:
                self._waiters.remove(me)
            if not self.locked():
                self._locked = True
                return True
            if not woken:
                return False

    def release(self) -> None:
        kernel = kernels.active
        if not self._locked and not (kernel is not None and kernel.ending()):
            raise RuntimeError("release unlocked lock")
        self._locked = False
        if self._waiters and kernel is not None:
            kernel.wake(self._waiters.popleft())

    def locked(self) -> bool:
        return self._locked

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

    def release(self) -> None:
        try:
            super().release()
        except RuntimeError:
            # Unwinding, a strand may not have got back a lock that another one holds. Its error
            # would take the place of what ends it.
            kernel = kernels.active
            if kernel is None or not kernel.ending():
                raise


class SimThreadHandle:
    """Stands in for `_thread._ThreadHandle` (Python 3.13)."""

    def __init__(self) -> None:
        self.strand: Strand | None = None

    @property
    def ident(self) -> int:
        return self.strand.ident if self.strand is not None else 0

    def is_done(self) -> bool:
        return self.strand is not None and self.strand.done

    def join(self, timeout: float | None = None) -> None:
        kernel = kernels.active
        if self.strand is None or self.strand.done or kernel is None:
            return
        deadline = None
        if timeout is not None and timeout >= 0:
            deadline = kernel.after(timeout)
        kernel.join(self.strand, deadline)


def start_joinable_thread(
    function: Callable[[], object], handle: SimThreadHandle, daemon: bool = True
) -> SimThreadHandle:
    """Stands in for `_thread.start_joinable_thread` (Python 3.13)."""
    handle.strand = _active().spawn(function, _name(function))
    return handle


def start_new_thread(function: Callable[[], object], args: tuple[()]) -> int:
    """Stands in for `_thread.start_new_thread` as `threading` of Python 3.12 calls it."""
    return _active().spawn(function, _name(function)).index


def set_sentinel() -> SimLock:
    """Stands in for `_thread._set_sentinel` (Python 3.12): a lock released at a thread's end."""
    kernel = _active()
    lock = SimLock()
    kernel.strand_of_caller().at_end.append(lock.release)
    return lock


def _active() -> kernels.Kernel:
    if kernels.active is None:
        raise RuntimeError("a thread was started by a patch that outlived its trial")
    return kernels.active


def _name(function: Callable[[], object]) -> str:
    """The name of the `threading.Thread` whose bootstrap this is."""
    return str(getattr(getattr(function, "__self__", None), "name", "thread"))
