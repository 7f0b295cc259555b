"""One core for all threads of a worker.

A trial runs one thread at a time, so a second core gains nothing and each baton that crosses to it
costs a wake-up and cold caches: measured in turns in one process, some 25 % of a trial's time.
"""

import contextlib
import os
import random
import time

CROWDED = 1.3
"""Ratio of wall time to CPU time above which another process must be using the core."""


class OneCore:
    """Keeps the calling thread, and those it starts, on one core. `first` is the job's number, so
    that the jobs of one campaign begin on different cores."""

    def __init__(self, first: int) -> None:
        self._cores = sorted(os.sched_getaffinity(0))
        self._core = first
        self._cpu_s = time.process_time()
        # Not a trial's chance: two workers that leave one core shall not both move to the next.
        self._coin = random.Random(os.getpid())

    def settle(self, busy_s: float) -> None:
        """Stay, or move on from a crowded core; call it now and then.

        `busy_s` is the wall time, in seconds, that trials took since the last call.
        """
        cpu_s = time.process_time()
        crowded = busy_s > CROWDED * (cpu_s - self._cpu_s)
        self._cpu_s = cpu_s
        if crowded and self._coin.random() < 0.5:
            self._core += 1
        # A container may forbid this; then trials are only slower.
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, {self._cores[self._core % len(self._cores)]})
