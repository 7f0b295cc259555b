"""How a command finds its clients: to run scenarios on, or one of the user's own tests."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from race_harness.campaign.resolve import ClientUnderTest, find_client, find_tests
from race_harness.model.combination import Combination
from race_harness.model.errors import UsageError
from race_harness.model.schedule import Schedule
from race_harness.workers.pool import Workers
from race_harness.workers.selection import Selection


class Finder(Protocol):
    """Finds one client after another, each for the same subject."""

    @property
    def server(self) -> str:
        """The server that clients run against: `fake`, `real` or `own`."""

    @property
    def requirements(self) -> tuple[str, ...] | None:
        """For a test, what environments hold as well; None: they are for scenarios."""

    def find(self, argument: str, progress: Callable[[str], None]) -> ClientUnderTest:
        """Raises what `find_client` and `find_tests` raise."""

    def named(self, schedule: Schedule, workers: Workers) -> Schedule:
        """The schedule, with the name that these workers have for its subject."""

    @property
    def error(self) -> str | None:
        """Only failures with this text count; None: all count."""

    def identity(self) -> dict[str, Any]:
        """All that decides a verdict besides client and schedule, as plain values."""


@dataclass(frozen=True)
class ForScenarios:
    """Clients that run scenarios, as `find_client` finds them."""

    server: str = "fake"
    world: str = "sim"
    requirements: None = None
    error: None = None

    def find(self, argument: str, progress: Callable[[str], None]) -> ClientUnderTest:
        return find_client(argument, progress, server=self.server, world=self.world)

    def named(self, schedule: Schedule, workers: Workers) -> Schedule:
        return schedule

    def identity(self) -> dict[str, Any]:
        return {"server": self.server}


@dataclass(frozen=True)
class ForTest:
    """Clients with which one test runs, as `find_tests` finds them."""

    test: str
    """As typed: PATH::NAME."""
    source: tuple[str, ...] = ()
    child_processes: bool = False
    requirements: tuple[str, ...] = ()
    error: str | None = None
    world: str = "sim"
    at_client: bool = False
    invariant: bool = False
    """These fields are those of `Selection`."""

    @property
    def server(self) -> str:
        return "own"

    @property
    def selection(self) -> Selection:
        return Selection(
            *((self.test,), "", self.source, self.child_processes, self.at_client),
            invariant=self.invariant,
        )

    def find(self, argument: str, progress: Callable[[str], None]) -> ClientUnderTest:
        found = find_tests(argument, self.selection, self.requirements, progress)
        return replace(found, combination=Combination(self.world, "own"))

    def named(self, schedule: Schedule, workers: Workers) -> Schedule:
        """Raises UsageError: several tests have the name."""
        if len(workers.tests) > 1:
            several = f"{len(workers.tests)} tests, such as {workers.tests[0]}"
            raise UsageError(f"{self.test} is {several}, but this takes one: name one of them")
        return replace(schedule, scenario=workers.tests[0])

    def identity(self) -> dict[str, Any]:
        """With the contents of the test's file: after a change, older judgements do not count."""
        return {
            "test": self.selection.to_adapter(),
            "requirements": self.requirements,
            "error": self.error,
            # If the test is the client's own, the client decides the contents.
            "file": None if self.at_client else self._digest_of_file(),
        }

    def _digest_of_file(self) -> str:
        file = Path(self.test.partition("::")[0])
        try:
            return hashlib.sha256(file.read_bytes()).hexdigest()
        except OSError:
            raise UsageError(f"--test {self.test}: there is no file {file}") from None
