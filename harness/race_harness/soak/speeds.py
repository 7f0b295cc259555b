"""The series of a soak in the record, and how fast each is."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from race_harness.campaign.resolve import ClientUnderTest
from race_harness.soak.bench import Bench
from race_harness.soak.plan import Plan
from race_harness.store.series import Key, SeriesRecord
from race_harness.store.store import CampaignRecord


def begin(
    campaign: CampaignRecord, plan: Plan, clients: Sequence[ClientUnderTest], bench: Bench
) -> dict[Key, SeriesRecord]:
    """All series of a plan, begun or continued.

    Raises:
        UsageError: a client or its server is not the one with which the campaign began.
    """
    return {
        key: campaign.series(
            clients[key.position].series(
                bench.server_version(key.position),
                key.scenario,
                seed=plan.seed,
                position=key.position,
                drawn=plan.schedule is None,
                reps=plan.reps,
            )
        )
        for key in plan.keys
    }


class Speeds:
    """Trials of each series in a wall second, with all workers together.

    The time between two trials goes to the series of the later one; so the speeds of series that
    take turns are their own, and those of series that run at once are shares of the whole.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock: Final = clock
        self._last = clock()
        self._seconds: defaultdict[Key, float] = defaultdict(float)
        self._trials: Counter[Key] = Counter()

    def ended(self, key: Key) -> None:
        """A trial of this series has ended."""
        now = self._clock()
        self._seconds[key] += now - self._last
        self._trials[key] += 1
        self._last = now

    @property
    def of(self) -> Mapping[Key, float]:
        return {
            key: self._trials[key] / seconds
            for key, seconds in self._seconds.items()
            if seconds > 0
        }
