"""One core for all threads of a worker.

A trial runs one thread at a time, so a second core gains nothing and each baton that crosses to it
costs a wake-up and cold caches: measured in turns in one process, some 25 % of a trial's time.
"""

import contextlib
import ctypes
import os
import time


class OneCore:
    """Keeps the calling thread, and those it starts, on the core that it is on."""

    def __init__(self) -> None:
        self._allowed = os.sched_getaffinity(0)
        self._current_core = ctypes.CDLL(None).sched_getcpu

    def settle(self) -> None:
        """Let the system choose a core anew, then stay there: call it now and then."""
        # A container may forbid it; then trials are only slower.
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, self._allowed)
            # Whoever wakes up is put on an idle core, if there is one; a busy one is not left.
            time.sleep(0.002)
            os.sched_setaffinity(0, {self._current_core()})
