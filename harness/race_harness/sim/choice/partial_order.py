"""Partial-order sampling: random priorities for what threads do next, not for the threads.

Yuan, Yang and Gu, "Partial Order Aware Concurrency Sampling" (CAV 2018), their POS. The order of
independent events makes no difference, and a random walk wastes itself on it. Here an event keeps
the priority that it drew until it happens or one that races with it does: one that drew low rests
for as long as others have unrelated things to do, which a random walk all but never lets it.
"""

import random
from collections import deque

from race_harness.sim.strands import Strand


class PartialOrderSampling:
    """The pending event of the highest priority happens; those that race with it draw anew.

    An event is what a strand does from one scheduling point to the next. Two race if they work on
    the same thing; reading and writing are not told apart.
    """

    preempts = True

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def choose(self, ready: deque[Strand]) -> int:
        lots = []
        for strand in ready:
            if strand.lot is None:
                strand.lot = self._random.random()
            lots.append(strand.lot)
        first = lots.index(max(lots))
        works_on = ready[first].works_on
        for strand in ready:
            if race(strand.works_on, works_on):
                strand.lot = None
        return first


def race(one: object, other: object) -> bool:
    """Whether two events work on the same thing. Frozensets stand for several, by their names."""
    if isinstance(one, frozenset) and isinstance(other, frozenset):
        return not one.isdisjoint(other)
    return one is not None and one is other
