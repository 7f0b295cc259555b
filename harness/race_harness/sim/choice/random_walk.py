"""Random walk: at every scheduling point any thread that could run is as likely as another.

The baseline of Thomson, Donaldson and Betts, "Concurrency Testing Using Schedule Bounding: an
Empirical Study" (PPoPP 2014), where it does as well as most cleverer strategies.
"""

import random
from collections import deque

from race_harness.sim.strands import Strand


class RandomWalk:
    """Draws the strand that goes on, each time anew."""

    preempts = True

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def choose(self, ready: deque[Strand]) -> int:
        return self._random.randrange(len(ready))
