"""Schedules around one: where another release may meet the same trouble. Pure.

A release that asks twice where another asks once, or begins 30 ms later, passes the very schedule
on which the other fails, and fails a near one. So each variant moves the times of a schedule, or
the moments that it counts to, by a little. All of them are legal as it is.
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count, islice
from typing import Final

from race_harness.model.paths import Path, put, walk
from race_harness.model.schedule import Schedule
from race_harness.search.times import moved, times_of

FACTOR: Final = 2.0
"""A time becomes at most this many times longer or shorter."""
SHIFTS_MS: Final = (1.0, 250.0)
"""Or it moves by at most a limit in virtual milliseconds, drawn between these on a logarithmic
scale."""
_KEPT: Final = ("settle_s", "looks_again_s")
"""How long the harness itself looks: with less time, it would call a late event lost."""
_LONGEST: Final = 86_400.0
"""No time becomes longer than that, in the unit of its field; every field accepts it."""


def neighbourhood(schedule: Schedule, size: int) -> list[Schedule]:
    """The schedule itself and then `size - 1` variants; the same for the same schedule."""
    return [schedule, *islice(_variants(schedule), size - 1)]


def _variants(schedule: Schedule) -> Iterator[Schedule]:
    for number in count():
        coin = random.Random(f"{schedule.entropy} near {number}")
        vary = _WAYS[number % len(_WAYS)]
        other = replace(vary(schedule, coin), entropy=coin.getrandbits(62))
        if other.interleaving.seed is not None:
            # What a seed does to one release's threads says nothing about another release.
            threads = replace(other.interleaving, seed=coin.getrandbits(62))
            other = replace(other, interleaving=threads)
        yield other


def _all_scaled(schedule: Schedule, coin: random.Random) -> Schedule:
    """The whole story slower or faster."""
    factor = _factor(coin)
    return _with_times(schedule, lambda _path, value: value * factor)


def _each_scaled(schedule: Schedule, coin: random.Random) -> Schedule:
    return _with_times(schedule, lambda _path, value: value * _factor(coin))


def _each_shifted(schedule: Schedule, coin: random.Random) -> Schedule:
    low, high = map(math.log, SHIFTS_MS)
    most = math.exp(coin.uniform(low, high))
    return _with_times(schedule, lambda path, value: moved(path, value, coin.uniform(-most, most)))


def _counted_otherwise(schedule: Schedule, coin: random.Random) -> Schedule:
    """The counts of moments one higher or lower, and times shifted: other releases send more or
    fewer events before the run."""
    for path, nth in list(_counts(schedule)):
        schedule = put(schedule, path, max(1, nth + coin.choice((-1, 0, 1))))
    return _each_shifted(schedule, coin)


_WAYS: Final = (_each_shifted, _all_scaled, _each_scaled, _counted_otherwise)


def _factor(coin: random.Random) -> float:
    return math.exp(coin.uniform(-1.0, 1.0) * math.log(FACTOR))


def _with_times(schedule: Schedule, change: Callable[[Path, float], float]) -> Schedule:
    """All times changed but those that are 0: what takes no time stays that way."""
    for path, value in list(times_of(schedule)):
        if value and path[-1] not in _KEPT:
            longest = max(value, _LONGEST)
            schedule = put(schedule, path, min(round(change(path, value), 3), longest))
    return schedule


def _counts(schedule: Schedule) -> Iterator[tuple[Path, int]]:
    """The paths of the counts of moments of faults and acts, and the counts."""
    return ((path, inner) for path, inner, _ in walk(schedule) if path[-2:] == ("at", "nth"))
