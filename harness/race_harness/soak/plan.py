"""What a soak shall run, as a value that the record keeps."""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import product
from typing import Any, Final

from race_harness.model.errors import UsageError
from race_harness.model.schedule import Schedule
from race_harness.search.draw import BATCH
from race_harness.statistics.sequential import SequentialTest
from race_harness.store.series import Key

_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "race-harness/soak")

UNACCEPTABLE: Final = 0.01
"""The failure rate that a decision excludes or asserts by default."""


@dataclass(frozen=True)
class Shard:
    """One of several parts, counted from 1."""

    part: int
    parts: int

    @staticmethod
    def parse(text: str) -> "Shard":
        """From `2/5`.

        Raises:
            UsageError: the text names no part.
        """
        part, slash, parts = text.partition("/")
        numbers = slash and part.isdecimal() and parts.isdecimal()
        if not numbers or not 1 <= int(part) <= int(parts):
            raise UsageError(f"--shard {text!r} is no part: write 1/3, 2/3 and 3/3 for three")
        return Shard(int(part), int(parts))

    def has(self, number: int) -> bool:
        """Whether the thing with this number, counted from 0, belongs to the part."""
        return number % self.parts == self.part - 1

    def __str__(self) -> str:
        return f"{self.part}/{self.parts}"


@dataclass(frozen=True)
class PlannedClient:
    argument: str
    """As typed; a file with its whole path."""
    resolved_version: str


@dataclass(frozen=True)
class Plan:
    """Which trials there are; not how, how fast or for how long they run."""

    clients: tuple[PlannedClient, ...]
    scenarios: tuple[str, ...]
    seed: int = 0
    reps: int | None = None
    """Trials of each scenario and client; None: as many as there is time for."""
    test: SequentialTest | None = None
    """May stop a series before all its trials have run; None: nothing does."""
    world: str = "sim"
    server: str = "fake"
    """As `find_client` takes it."""
    schedule: Schedule | None = None
    """A schedule to run in place of scenarios; `scenarios` then holds only its name."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """For scenarios from the user's own files, by name: a digest of the file."""
    shard: Shard | None = field(default=None, compare=False)
    """The part that is run here; the plan is the same for all parts."""

    @property
    def keys(self) -> list[Key]:
        """All series, in the order in which they take turns; with a test, only those of this part,
        which has whole series: the test must see all batches of what it decides."""
        every = [Key(*pair) for pair in product(self.scenarios, range(len(self.clients)))]
        if self.shard is None or self.test is None:
            return every
        return [key for number, key in enumerate(every) if self.shard.has(number)]

    def batches(self) -> Iterator[int]:
        """The numbers of the batches that each series has here, in their order."""
        number = 0
        while self.reps is None or number * BATCH < self.reps:
            if self.shard is None or self.test is not None or self.shard.has(number):
                yield number
            number += 1

    def numbers(self, batch: int) -> range:
        """The trials of a batch."""
        end = (batch + 1) * BATCH
        return range(batch * BATCH, end if self.reps is None else min(end, self.reps))

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, the same for all parts."""
        return {
            "clients": [asdict(client) for client in self.clients],
            "scenarios": list(self.scenarios),
            "seed": self.seed,
            "reps": self.reps,
            "test": asdict(self.test) if self.test is not None else None,
            "world": self.world,
            "server": self.server,
            **({"schedule": self.schedule.to_dict()} if self.schedule is not None else {}),
            **({"sources": dict(self.sources)} if self.sources else {}),
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Plan":
        """From the JSON form of a soak in the record."""
        return Plan(
            clients=tuple(PlannedClient(**client) for client in data["clients"]),
            scenarios=tuple(data["scenarios"]),
            seed=data["seed"],
            reps=data["reps"],
            test=SequentialTest(**data["test"]) if data["test"] is not None else None,
            world=data["world"],
            server=data["server"],
            schedule=Schedule.from_dict(data["schedule"]) if "schedule" in data else None,
            sources=data.get("sources", {}),
        )

    def identity(self, name: str | None) -> str | None:
        """The campaign's identity: parts have the same one on each machine, so that they can be
        merged. None: each whole campaign counts by itself, even if two do the same."""
        if self.shard is None:
            return None
        text = json.dumps([name, self.shard.parts, self.to_dict()], sort_keys=True)
        return str(uuid.uuid5(_NAMESPACE, text))


def sequential_test(fail_under: float | None) -> SequentialTest:
    """The test that decides whether a series passes; the acceptable failure rate is a tenth of the
    unacceptable one."""
    unacceptable = UNACCEPTABLE if fail_under in (None, 1.0) else 1 - (fail_under or 0.0)
    return SequentialTest(unacceptable / 10, unacceptable)
