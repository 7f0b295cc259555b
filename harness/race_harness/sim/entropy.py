"""The entropy of a trial: every random byte, from the schedule's seed.

Each thread has a stream of its own, so that one thread's use of randomness (a WebSocket mask,
a uuid) does not shift what another gets.
"""

import os
import random
from collections.abc import Callable
from typing import Any, Final

from race_harness.sim.kernel import Kernel

_real_urandom = os.urandom
_real_seed = random.Random.seed


class Entropy:
    """Where a trial's random bytes come from."""

    def __init__(self, kernel: Kernel, seed: int) -> None:
        self._kernel = kernel
        self._seed = seed
        self._streams: dict[int, random.Random] = {}

    def urandom(self, size: int) -> bytes:
        strand = self._kernel.strand_of_caller()
        stream = self._streams.get(strand.index)
        if stream is None:
            stream = self._streams[strand.index] = random.Random(f"{self._seed} {strand.index}")
        return stream.randbytes(size)


current: Entropy | None = None
"""That of the trial that is running in this process, if any."""


def _urandom(size: int, /) -> bytes:
    return _real_urandom(size) if current is None else current.urandom(size)


def _getrandom(size: int, flags: int = 0) -> bytes:
    return os.urandom(size)


def seed_generator(self: random.Random, a: Any = None, version: int = 2) -> None:
    """Stands in for `random.Random.seed`, which asks the system, in C, if it is given no seed."""
    if a is None and current is not None:
        a = current.urandom(32)
    _real_seed(self, a, version)


STAND_INS: Final[dict[str, Callable[..., Any]]] = {"urandom": _urandom, "getrandom": _getrandom}
"""By their names in `os`."""
