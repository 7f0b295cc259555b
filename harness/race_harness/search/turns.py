"""The schedules of a hunt: the scenarios take turns, each with some schedules at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import count, islice
from typing import Final

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule
from race_harness.search.draw import BATCH, draw_batch

TURN: Final = 10
"""Schedules in one turn of a scenario. It is short, because a scenario's first failure either
comes early, or late anyway."""
_SMALL: Final = 10
"""How many nearly benign schedules Hypothesis puts at the beginning of each batch. Once is enough.
"""


def turns(
    scenarios: Sequence[Scenario], seed: int, examples: int | None = None
) -> Iterator[list[Schedule]]:
    """Yield one turn after another, always the same for the same seed: `examples` schedules in
    all, or without an end."""
    rounds = None if examples is None else -(-examples // (TURN * len(scenarios)))
    drawing = [_drawn(one, seed, rounds and rounds * TURN) for one in scenarios]
    left = examples
    while left is None or left > 0:
        for schedules in drawing:
            turn = [*islice(schedules, TURN if left is None else min(TURN, left))]
            left = None if left is None else left - len(turn)
            if turn:
                yield turn


def _drawn(scenario: Scenario, seed: int, most: int | None) -> Iterator[Schedule]:
    # Hypothesis examines each new strategy at length.
    once = replace(scenario, schedules=cache(scenario.schedules))
    yield from draw_batch(once, seed, 0, BATCH if most is None else min(BATCH, most))
    for batch in count(1):
        yield from draw_batch(once, seed, batch)[_SMALL:]
