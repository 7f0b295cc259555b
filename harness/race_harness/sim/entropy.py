"""The entropy of a trial: every random byte, from the schedule's seed.

Each thread has a stream of its own, so that one thread's use of randomness (a WebSocket mask,
a uuid) does not shift what another gets.
"""

import random

from race_harness.sim.kernel import Kernel


class Entropy:
    """Stands in for `os.urandom`."""

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
