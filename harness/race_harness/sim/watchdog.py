"""The watchdog: the only thing in a worker that lives in real time.

A strand that waits for a real lock (of a C extension, an import, a logging handler) at a
scheduling point stops the world, since the lock's owner is never given the baton. The watchdog
sees that no scheduling step was made for a while, names the lock and the stacks, and ends the
process: a stopped world cannot be started again.
"""

import _thread
import linecache
import os
import sys
from collections.abc import Callable

from race_harness.sim import guard
from race_harness.sim import kernel as kernels
from race_harness.sim.kernel import Kernel

PATIENCE_S = 20.0
"""Wall seconds without a scheduling step, in which a healthy trial makes some 100,000."""
SPIN_S = 4.0
"""CPU seconds without one: a loop. A busy machine cannot look like that."""


class Watchdog:
    """`report` is called, from the watchdog's thread, with its finding; then the process ends."""

    def __init__(
        self,
        report: Callable[[str], None],
        patience_s: float = PATIENCE_S,
        spin_s: float = SPIN_S,
    ) -> None:
        self._report = report
        self._patience_s = patience_s
        self._spin_s = spin_s

    def start(self) -> None:
        self._stop, self._gone = _thread.allocate_lock(), _thread.allocate_lock()
        self._stop.acquire()
        self._gone.acquire()
        _thread.start_new_thread(self._watch, ())

    def stop(self) -> None:
        """Stop watching, such as before a fork; return when it has stopped."""
        self._stop.release()
        self._gone.acquire()

    def _watch(self) -> None:
        with guard.this_thread_exempted():
            self._look_on()
        self._gone.release()

    def _look_on(self) -> None:
        seen: tuple[Kernel | None, int] = (None, 0)
        quiet_s, since_s = 0.0, _cpu_s()
        while not self._stop.acquire(timeout=self._patience_s / 20):
            kernel = kernels.active
            now = (kernel, kernel.steps if kernel is not None else 0)
            if kernel is None or kernel.frozen or now != seen:
                seen, quiet_s, since_s = now, 0.0, _cpu_s()
                continue
            quiet_s += self._patience_s / 20
            if quiet_s >= self._patience_s or _cpu_s() - since_s >= self._spin_s:
                self._report(describe(kernel, quiet_s))
                os._exit(70)


def _cpu_s() -> float:
    """CPU seconds of this process; `time` may be the simulation's."""
    times = os.times()
    return times.user + times.system


def describe(kernel: Kernel, quiet_s: float) -> str:
    """What holds the baton and where it is stuck, then every strand's stack."""
    current = kernel.current
    where = "no thread holds the baton"
    if current is not None:
        frame = sys._current_frames().get(current.ident)
        if frame is not None:
            code, line = frame.f_code, frame.f_lineno
            source = linecache.getline(code.co_filename, line).strip()
            where = (
                f"thread {current.index} {current.name!r} is stuck in {code.co_qualname} at "
                f"{code.co_filename}:{line}: {source}"
            )
    stacks = kernel.capture_stacks()
    return "\n".join(
        [
            f"no scheduling step for {quiet_s:.0f} wall seconds: a real lock is held at a "
            f"scheduling point, or a loop never ends; {where}",
            *(f"-- {title}\n{stack}" for title, stack in stacks.items()),
        ]
    )
