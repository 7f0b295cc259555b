"""The default: a thread runs until it blocks."""

from collections import deque

from race_harness.sim.strands import Strand


class RunUntilBlocked:
    """First come, first served, and no switch before a strand blocks."""

    preempts = False

    def choose(self, ready: deque[Strand]) -> int:
        return 0
