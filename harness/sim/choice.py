"""Which strand goes on when several could: one short class a strategy."""

import random
from collections import deque

from harness.sim.kernel import Strand


class RunUntilBlocked:
    """First come, first served, and no switch before a strand blocks."""

    preempts = False

    def choose(self, ready: deque[Strand]) -> int:
        return 0


class RandomWalk:
    """At every scheduling point any strand that could run is as likely as another.

    The baseline of Thomson, Donaldson and Betts, "Concurrency Testing Using Schedule Bounding:
    an Empirical Study" (PPoPP 2014), where it does as well as most cleverer strategies.
    """

    preempts = True

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def choose(self, ready: deque[Strand]) -> int:
        return self._random.randrange(len(ready))
