"""The seam between what is to be run, and where.

A bench asks for chunks as it has room for them, runs their trials in whatever order, on however
many machines, and tells of each trial when it ends. It may run a trial twice, after it has lost a
worker: whoever hears of it counts it once.
"""

from dataclasses import dataclass
from typing import Protocol

from race_harness.model.failure import Failure
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import TrialResult
from race_harness.store.series import Key


@dataclass(frozen=True)
class Chunk:
    """The unit of work: trials of one client with schedules of one batch of one scenario.

    It is small enough to be sent anywhere: whoever runs it draws the schedules, by
    `search.draw.draw_batch(scenario, seed, batch)`.
    """

    key: Key
    seed: int
    batch: int
    numbers: tuple[int, ...]
    """Of the repetitions to run, which may be a part of the batch, in their order."""


class Work(Protocol):
    """What there is to do. All of it belongs to one thread, that of `Bench.run`."""

    def take(self) -> Chunk | None:
        """The next chunk. None: there is none until a chunk that was taken is done; if all are,
        there will be none any more."""

    def hear(
        self,
        chunk: Chunk,
        result: TrialResult,
        failure: Failure | None = None,
        schedule: Schedule | None = None,
    ) -> None:
        """A trial of a chunk has ended; `result.index` is its number.

        `failure`: all of it, where it failed for a cause that may be new in this series.
        `schedule`: that of the trial, where whoever runs it has it at hand.
        """

    def ahead(self) -> tuple[str, int] | None:
        """Scenario and batch that will probably be wanted next, for whoever draws ahead."""

    @property
    def over(self) -> bool:
        """Whether time is up: trials of chunks that have not begun need not."""


class Bench(Protocol):
    """Where trials run. Leave it to end whatever it started."""

    def server_version(self, position: int) -> str:
        """Of the server that the client at this position runs against: the release that it is, or
        that the fake one plays; empty for one that has no version."""

    def run(self, work: Work) -> None:
        """Do all the work there is.

        Raises:
            WorldBroken: a trial escaped its world, or a worker died of it.
        """
