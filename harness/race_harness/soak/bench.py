"""The seam between what a soak runs, and where it runs.

A bench asks for chunks when it has room for them, runs their trials in any order, on any number of
machines, and reports each trial when it ends. After it has lost a worker it may run a trial twice:
the receiver of the reports counts it once.
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

    It is small enough to send anywhere: the machine that runs it draws the schedules, by
    `search.draw.draw_batch(scenario, seed, batch)`.
    """

    key: Key
    seed: int
    batch: int
    numbers: tuple[int, ...]
    """The numbers of the repetitions to run, in order; they may be a part of the batch."""


class Work(Protocol):
    """The work to do. Only one thread may use it, that of `Bench.run`."""

    def take(self) -> Chunk | None:
        """The next chunk. None: nothing until a chunk that was taken is done; once all are done,
        nothing any more."""

    def hear(
        self,
        chunk: Chunk,
        result: TrialResult,
        failure: Failure | None = None,
        schedule: Schedule | None = None,
    ) -> None:
        """A trial of a chunk has ended; `result.index` is its number.

        `failure`: the whole failure, if its cause may be new in this series. `schedule`: that of
        the trial, if the bench has it at hand.
        """

    def ahead(self) -> tuple[str, int] | None:
        """Scenario and batch that are probably next, for a bench that draws ahead."""

    @property
    def over(self) -> bool:
        """Whether time is up: trials of chunks that have not begun need not."""


class Bench(Protocol):
    """Where trials run. Leaving the context ends whatever it started."""

    def server_version(self, position: int) -> str:
        """The version of the server of the client at this position: its release, or the one that
        the fake server plays; empty if it has no version."""

    def run(self, work: Work) -> None:
        """Do all the work there is.

        Raises:
            WorldBroken: a trial escaped its world, or killed its worker.
        """
