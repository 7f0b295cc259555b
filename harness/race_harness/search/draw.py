"""Draws the schedules of a campaign from the scenario's strategy and a seed, always the same ones.

The controlling side draws schedules once and sends them to every client, so trials are paired, and
the client's environment does not need Hypothesis. Schedules come in batches of a fixed size, each
with its own seed, so that repetition 7 is the same whether 10 or 10,000 are asked for.
"""

import contextlib
import gc
import hashlib
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle, islice
from typing import TYPE_CHECKING
from unittest.mock import patch

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

BATCH = 100


def draw_schedules(scenario: Scenario, seed: int, reps: int) -> Iterator[Schedule]:
    """Yield the first `reps` schedules of a campaign, each with its own entropy."""
    for first in range(0, reps, BATCH):
        yield from draw_batch(scenario, seed, first // BATCH, min(BATCH, reps - first))


def draw_batch(scenario: Scenario, seed: int, batch: int, size: int = BATCH) -> list[Schedule]:
    """Return the schedules of one batch, whose repetitions begin at `batch * BATCH`; or only the
    first `size` of them.

    Any thread may draw, but only one at a time.
    """
    if scenario.given is not None:
        first = batch * BATCH
        return [repetition(scenario.given, seed, n) for n in range(first, first + size)]
    drawn = _batch(scenario.schedules(), seed, batch, size)
    return [
        replace(
            schedule,
            scenario=scenario.name,
            entropy=_number(f"{scenario.name} {seed} {index}"),
        )
        for index, schedule in enumerate(drawn, start=batch * BATCH)
    ]


def repetition(given: Schedule, seed: int, index: int) -> Schedule:
    """Return a repetition of one schedule: the first is the schedule itself, the others have other
    ids and jitter."""
    if index == 0:
        return given
    return replace(given, entropy=_number(f"{given.scenario} {seed} {index}"))


@contextlib.contextmanager
def drawing_from_the_seed_alone() -> Iterator[None]:
    """Make what Hypothesis draws depend only on strategy and seed, not on what is imported; and
    lose nothing that a signal handler raises.

    Hypothesis otherwise prefers the constants that it finds in the source of any imported module,
    even the user's: each edit of such a module would change the schedules.

    It also hooks into the garbage collector, for the rest of the process, to subtract its time
    from deadlines, which do not exist here. If a signal handler raises in such a hook (Ctrl-C, a
    test's timeout), the exception is printed and forgotten.
    """
    from hypothesis.internal.conjecture import junkdrawer
    from hypothesis.internal.conjecture.providers import HypothesisProvider

    # `create`: releases before 6.131 have no such preference.
    with (
        patch.object(
            HypothesisProvider, "_maybe_draw_constant", lambda *_, **__: None, create=True
        ),
        patch.object(junkdrawer, "_gc_initialized", True, create=True),
    ):
        yield


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Switch the garbage collector off: a batch leaves little garbage, and each collection looks
    at everything that was ever imported."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


class _Enough(BaseException):
    """Ends the drawing of a batch. It is no `Exception`, which Hypothesis would try to shrink."""


def _batch(
    strategy: "SearchStrategy[Schedule]", seed: int, batch: int, size: int
) -> list[Schedule]:
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as hypothesis_seed

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
        if len(found) == size:
            raise _Enough

    with drawing_from_the_seed_alone(), _without_collections(), contextlib.suppress(_Enough):
        collect()
    # A strategy with few values is exhausted early; then its values come again.
    return list(islice(cycle(found), size))


def _number(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=7).digest())
