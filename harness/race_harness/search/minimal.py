"""Finds the smallest schedule that fails: Hypothesis searches and shrinks, the workers judge."""

import random
from collections.abc import Callable
from dataclasses import replace

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule
from race_harness.search.draw import drawing_from_the_seed_alone


def minimal_schedule(
    scenario: Scenario, seed: int, fails: Callable[[Schedule], bool], examples: int = 500
) -> Schedule | None:
    """Return Hypothesis' simplest schedule of the scenario for which `fails` is true; None if it
    finds none.

    Every field has a benign default and every strategy shrinks towards it, so what is left of the
    schedule is its explanation.
    """
    from hypothesis import HealthCheck, Phase, find, settings
    from hypothesis.errors import NoSuchExample

    def condition(schedule: Schedule) -> bool:
        return fails(replace(schedule, scenario=scenario.name))

    try:
        with drawing_from_the_seed_alone():
            schedule = find(
                scenario.schedules(),
                condition,
                settings=settings(
                    max_examples=examples,
                    phases=[Phase.generate, Phase.shrink],
                    database=None,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
                random=random.Random(seed),
            )
    except NoSuchExample:
        return None
    return replace(schedule, scenario=scenario.name)
