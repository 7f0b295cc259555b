"""PCT: threads by random priority, with few changes of priority, at random points.

Burckhardt, Kothari, Musuvathi and Nagarakatte, "A Randomized Scheduler with Probabilistic
Guarantees of Finding Bugs" (ASPLOS 2010). A bug that needs d ordering constraints, in a program
of n threads with k points at which a switch is possible, is found by one schedule with a
probability of 1 / (n k^(d-1)) at least, however the threads are written. Random walk gives no such
bound: what needs one thread to rest for a long while it hardly ever finds.
"""

import random
from collections import deque

from race_harness.sim.kernel import PATIENCE
from race_harness.sim.strands import Strand

SCALES = (4, 10)
"""Of k, as powers of two. Trials were counted to have 12 to 60 points, with lines 20 to 230."""


class PCT:
    """The strand of the highest priority goes on; at d-1 points it first loses its priority.

    Only points where more than one strand could go on are counted: elsewhere the same strand
    would go on all the same, and losing its priority makes no difference before the next of them.

    The bound of the paper is for programs that end. A strand that waits for another one in a loop
    would keep it waiting for ever, so one that goes first for too long comes last from then on, as
    fair schedulers of Coyote do.

    Args:
        seed: decides everything.
        depth: d of the paper, at least one.
        points: k of the paper, if it is known. It is not before a trial: counting in a first
            trial would double the cost, and what a worker remembers of other trials must not
            decide this one. By default its order of magnitude is drawn, too: within `SCALES`, one
            seed in seven has a k between the true one and its double, which leaves a bound of
            1 / (7 n (2k)^(d-1)).
    """

    preempts = True

    def __init__(self, seed: int, depth: int, points: int | None = None) -> None:
        self._random = random.Random(seed)
        if points is None:
            points = 2 ** self._random.randint(*SCALES)
        self.reached = 0
        """Points so far at which more than one strand could go on."""
        self._depth = depth
        self._priorities: dict[int, float] = {}
        changes = self._random.sample(range(points), min(depth - 1, points))
        self._changes = {point: priority for priority, point in enumerate(changes)}
        self._winner: int | None = None
        self._wins = 0
        self._last = -1.0

    def choose(self, ready: deque[Strand]) -> int:
        for strand in ready:
            if strand.index not in self._priorities:
                # Above all that a change gives. New strands are as likely to be first as last.
                self._priorities[strand.index] = self._depth + self._random.random()
        first = self._first(ready)
        lowered = self._changes.get(self.reached)
        self.reached += 1
        if lowered is not None:
            self._priorities[ready[first].index] = lowered
            first = self._first(ready)
        return self._impatient(ready, first)

    def _impatient(self, ready: deque[Strand], first: int) -> int:
        index = ready[first].index
        self._wins = self._wins + 1 if index == self._winner else 1
        self._winner = index
        if self._wins <= PATIENCE:
            return first
        self._priorities[index] = self._last
        self._last -= 1
        self._wins = 0
        return self._first(ready)

    def _first(self, ready: deque[Strand]) -> int:
        priorities = [self._priorities[strand.index] for strand in ready]
        return priorities.index(max(priorities))
