"""Which thread goes on when several could: one short file a strategy, behind `strands.Choice`."""

from race_harness.model.schedule import Interleaving
from race_harness.sim.choice.partial_order import PartialOrderSampling
from race_harness.sim.choice.pct import PCT
from race_harness.sim.choice.random_walk import RandomWalk
from race_harness.sim.choice.run_until_blocked import RunUntilBlocked
from race_harness.sim.strands import Choice


def choice_of(interleaving: Interleaving) -> Choice:
    """A new choice, for one trial."""
    seed = interleaving.seed
    if seed is None:
        return RunUntilBlocked()
    if interleaving.strategy == "pct":
        return PCT(seed, interleaving.depth)
    if interleaving.strategy == "pos":
        return PartialOrderSampling(seed)
    return RandomWalk(seed)
