"""Draws the schedules of a campaign: from the scenario's strategy and a seed, the same for ever.

Schedules are drawn once, on the controlling side, and sent to every client: trials are paired, and
Hypothesis is not needed where the client runs. They come in batches of a fixed size, each with a
seed of its own, so that repetition 7 is the same one whether 10 or 10,000 are asked for.
"""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, cycle, islice
from unittest.mock import patch

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as hypothesis_seed
from hypothesis.internal.conjecture.providers import HypothesisProvider
from hypothesis.strategies import SearchStrategy

from harness.scenario import Scenario
from harness.schedule import Schedule

BATCH = 100


def draw_schedules(scenario: Scenario, seed: int, reps: int) -> Iterator[Schedule]:
    """The first `reps` schedules of a campaign, each with an entropy of its own."""
    drawn = (schedule for batch in count() for schedule in draw_batch(scenario, seed, batch))
    return islice(drawn, reps)


def draw_batch(scenario: Scenario, seed: int, batch: int) -> list[Schedule]:
    """The schedules of the repetitions from `batch * BATCH` on, before `(batch + 1) * BATCH`.

    Any thread may draw, but only one at a time.
    """
    drawn = _batch(scenario.schedules(), seed, batch)
    return [
        replace(
            schedule,
            scenario=scenario.name,
            entropy=_number(f"{scenario.name} {seed} {index}"),
        )
        for index, schedule in enumerate(drawn, start=batch * BATCH)
    ]


@contextlib.contextmanager
def drawing_from_the_seed_alone() -> Iterator[None]:
    """Within, what Hypothesis draws depends on strategy and seed, not on what is imported.

    It otherwise prefers the constants that it finds in the source of any imported module, its
    user's among them: with each edit of such a module the schedules would be other ones.
    """
    # `create`: releases before 6.131 know no such preference.
    with patch.object(
        HypothesisProvider, "_maybe_draw_constant", lambda *_, **__: None, create=True
    ):
        yield


def _batch(strategy: SearchStrategy[Schedule], seed: int, batch: int) -> list[Schedule]:
    found: list[Schedule] = []

    @hypothesis_seed(_number(f"{seed} {batch}"))
    @settings(
        max_examples=BATCH,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def collect(schedule: Schedule) -> None:
        found.append(schedule)

    with drawing_from_the_seed_alone():
        collect()
    # A strategy with few values is exhausted early; its values then come again.
    return list(islice(cycle(found), BATCH))


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest())
