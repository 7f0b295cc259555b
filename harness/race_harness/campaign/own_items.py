"""The user's own tests in their pytest session: workers repeat each of them.

The user's session stays as it is: it selects and reports. A worker collects the test once more,
and repeats it.
"""

import contextlib
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from race_harness.campaign.own_tests import TestsAsked, measure_tests
from race_harness.campaign.progress import ProgressBar
from race_harness.model.asked import MOST_REPS, MOST_SEED
from race_harness.model.errors import HarnessError, UsageError
from race_harness.model.schedule import Schedule
from race_harness.store.recording import recorded
from race_harness.story.timeline import short_story
from race_harness.workers.selection import Selection

_OPTIONS: Final = {
    *("reps", "seed", "faults", "source", "child_processes", "invariant", "schedule")
}


class OwnTestItem(pytest.Item):
    """Stands for a test: passes if every repetition does."""

    def __init__(self, of: pytest.Item, reps: int, **options: Any) -> None:
        super().__init__(**options)
        self._of: Final = of
        self._reps: Final = reps
        """Repetitions, unless the marker or the command line says how many."""
        self.own_markers = [*of.own_markers]
        self.keywords.update(of.keywords)
        self.add_marker(pytest.mark.race)
        if of.get_closest_marker("timeout") is None:
            self.add_marker(pytest.mark.timeout(self.config.getoption("--race-timeout")))

    def runtest(self) -> None:
        asked = self._asked()
        path = self.config.getoption("--race-record")
        plan = {"clients": asked.clients, "tests": asked.selection.paths, "reps": asked.reps}
        with recorded(path, "pytest", plan, warn=_warn) as campaign:
            (measured,) = measure_tests(asked, campaign, _Silent())
        (client,) = measured.comparison.clients
        self.user_properties.append(("race", client.to_dict()))
        (failure,) = measured.failures
        if failure is not None:
            failed = client.reps - client.void - client.passed
            raise RaceLostError(
                f"failed {failed} of {client.reps} repetitions; the smallest that fails:\n"
                f"{short_story(failure, Path(client.first_failure or ''))}"
            )
        voids = measured.voids[0]
        broken = [void for void in voids if void.kind != "skipped"]
        if broken:
            told = f"{len(broken)} of {client.reps} repetitions are void"
            raise RaceLostError(f"{told}: {broken[0].says}")
        if voids:
            pytest.skip(f"{client.void} of {client.reps} repetitions: {voids[0].says}")

    def _asked(self) -> TestsAsked:
        marker = self._of.get_closest_marker("race")
        given = {} if marker is None else marker.kwargs
        unknown = sorted(given.keys() - _OPTIONS)
        if unknown or (marker is not None and marker.args):
            raise UsageError(
                f"{self.nodeid}: pytest.mark.race takes {', '.join(sorted(_OPTIONS))} by name"
            )
        reps = self.config.getoption("--race-reps")
        most = {"reps": (1, MOST_REPS), "seed": (0, MOST_SEED)}
        for option, (low, high) in most.items():
            if option in given and not low <= given[option] <= high:
                raise UsageError(
                    f"{self.nodeid}: pytest.mark.race takes {option} from {low} to {high}"
                )
        name = self.nodeid.partition("::")[2]
        return TestsAsked(
            Selection(
                (f"{self.path}::{name}",),
                "",
                tuple(given.get("source", ())),
                bool(given.get("child_processes", False)),
                invariant=bool(given.get("invariant", False)),
            ),
            # An option of the command line applies to all tests.
            given.get("reps", self._reps) if reps is None else reps,
            seed=given.get("seed", self.config.getoption("--race-seed")),
            # A process of pytest-xdist has one core.
            jobs=1 if hasattr(self.config, "workerinput") else None,
            families=tuple(given.get("faults", ())),
            schedule=self._schedule(given.get("schedule")),
        )

    def _schedule(self, given: object) -> Schedule | None:
        """Raises UsageError: what the marker gives is no schedule."""
        if given is None:
            return None
        if not isinstance(given, Mapping):
            raise UsageError(
                f"{self.nodeid}: `schedule` of pytest.mark.race is a dict; race export prints it"
            )
        try:
            return Schedule.from_dict({"scenario": self.nodeid, **given})
        except UsageError as error:
            raise UsageError(f"{self.nodeid}: {error}") from None

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> str | Any:
        if isinstance(excinfo.value, RaceLostError | HarnessError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        place, line, name = self._of.reportinfo()
        return Path(place), line, name


class RaceLostError(Exception):
    """Repetitions failed, or had a setup that did; the message says how."""


def standing_for(item: pytest.Item, reps: int) -> OwnTestItem:
    """The item that runs in place of a test, `reps` times by default."""
    assert item.parent is not None
    made: OwnTestItem = OwnTestItem.from_parent(item.parent, name=item.name, of=item, reps=reps)
    return made


class _Silent:
    def step(self, text: str) -> None:
        """Nobody listens."""

    @contextlib.contextmanager
    def bar(self, label: str, total: int) -> Iterator[ProgressBar]:
        yield self

    def begin(self) -> None: ...

    def advance(self, *, passed: bool) -> None: ...


def _warn(text: str) -> None:
    print(f"race: {text}", file=sys.stderr)
