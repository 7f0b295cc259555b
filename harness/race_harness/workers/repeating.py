"""The bench for the user's own tests: each repetition runs in a process forked for it.

So a repetition leaves nothing to the next: no modules, caches, threads or temporary files. The
process that forks has imported all that the test needs, and runs no test.
"""

import gc
import importlib
import logging
import os
import sys
import sysconfig
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from race_harness.model.combination import Combination
from race_harness.model.errors import UsageError, WorldBroken
from race_harness.model.layered import PATH_FILE
from race_harness.model.schedule import Schedule
from race_harness.model.source_line import Line, SourceLine
from race_harness.realtime.processes import fork
from race_harness.sim import source
from race_harness.workers import scratch
from race_harness.workers.forked_repetition import ForkedRepetition, Onlooker
from race_harness.workers.protocol import Ready
from race_harness.workers.selection import Selection
from race_harness.workers.trial import Trial

if TYPE_CHECKING:
    import pytest

    from race_harness.subjects.pytest_item import Collected, Player


class RepeatingBench:
    """Runs the repetitions of some tests, one after another."""

    def __init__(
        self, tests: Selection, player: "Player", collected: "Collected", world: str = "sim"
    ) -> None:
        self.combination = Combination(world, "own")
        self._tests = tests
        self._player = player
        self._items = collected.items
        self._root = collected.root
        self._sources: dict[str, tuple[str, ...]] = {}
        self.logs_lines = False
        """Whether the happenings of a repetition include the lines that its threads run."""

    def ready(self) -> Ready:
        return Ready("installed", "", tuple(self._items))

    def source_lines(self) -> tuple[Line, ...]:
        """The lines of all tests' own modules, and of the modules that the user named."""
        return tuple(source.lines(self._modules()))

    def source_places(self) -> tuple[SourceLine, ...]:
        """The same lines, each with where it is."""
        return tuple(source.places(self._modules()))

    def _modules(self) -> list[str]:
        return list(dict.fromkeys(module for name in self._items for module in self._source(name)))

    def warm_up(self) -> None:
        """Import what the tests import when they run, as a forked repetition finds out."""
        for name in self._items:
            new, _ = self._forked(Schedule(name))
            for module in new:
                with suppress(Exception, SystemExit):
                    importlib.import_module(module)
        self._sources.clear()
        gc.collect()
        gc.freeze()

    def run(self, schedule: Schedule) -> Trial:
        """One repetition of the test of that name.

        Raises:
            WorldBroken: the test escaped its world, or its process died.
        """
        _, trial = self._forked(schedule)
        return trial

    def _forked(self, schedule: Schedule) -> tuple[list[str], Trial]:
        item = self._items.get(schedule.scenario)
        if item is None:
            raise WorldBroken(f"there is no test {schedule.scenario} here")
        child = fork(self._repetition(schedule, item, None).run)
        try:
            told = child.line.receive()
        except EOFError:
            child.end(1.0)
            raise WorldBroken(
                f"the process of a repetition of {schedule.scenario} died ({child.status})"
            ) from None
        finally:
            child.close()
        if isinstance(told, str):
            raise WorldBroken(told)
        new, trial = told
        return new, trial

    def looked_at(
        self, schedule: Schedule, onlooker: Onlooker, hear: Callable[[object], None]
    ) -> Trial | None:
        """One repetition in the foreground, watched by `onlooker`; `hear` gets what that tells.
        None: the user left before the end.

        Raises:
            UsageError: there is no such test.
            WorldBroken: it escaped its world.
        """
        item = self._items.get(schedule.scenario)
        if item is None:
            raise UsageError(f"there is no test {schedule.scenario} here")
        child = fork(self._repetition(schedule, item, onlooker).run)
        try:
            while True:
                told = child.line.receive()
                if isinstance(told, str):
                    raise WorldBroken(told)
                if isinstance(told, tuple) and isinstance(told[1], Trial):
                    return told[1]
                hear(told)
        except EOFError:
            return None
        finally:
            # What the child has printed shall come first.
            child.end(5.0)
            child.close()

    def modules_of(self, name: str) -> tuple[str, ...]:
        """The modules whose lines count for the test of that name."""
        return self._source(name)

    def _source(self, name: str) -> tuple[str, ...]:
        from race_harness.subjects.pytest_item import own_modules

        if name not in self._sources:
            own = own_modules(self._items[name], self._root)
            self._sources[name] = tuple(dict.fromkeys([*own, *self._tests.source]))
        return self._sources[name]

    def _repetition(
        self, schedule: Schedule, item: "pytest.Item", onlooker: Onlooker | None
    ) -> ForkedRepetition:
        return ForkedRepetition(
            schedule,
            item,
            self._player,
            self._root,
            self._source(schedule.scenario),
            self._tests,
            in_real_time=self.combination.in_real_time,
            logs_lines=self.logs_lines,
            onlooker=onlooker,
        )


def _hidden_by_others() -> str | None:
    """Where the environment is a layer: the error, if the tests imported one of its modules from
    elsewhere."""
    folder = Path(sysconfig.get_path("purelib"))
    if not (folder / PATH_FILE).exists():
        return None
    for place in sorted(folder.iterdir()):
        module = sys.modules.get(place.name.partition(".")[0])
        file = getattr(module, "__file__", None)
        if file is not None and not Path(file).is_relative_to(folder):
            return (
                f"the tests import {place.name} from {Path(file).parent}, not from the version to "
                "be tried: take that folder off the path (PYTHONPATH, pytest's pythonpath, or "
                "--import-mode=importlib)"
            )
    return None


def collected(
    tests: Selection, serve: Callable[[RepeatingBench], None], world: str = "sim"
) -> None:
    """Collect the tests, warm up, and call `serve` within pytest's session.

    Raises:
        UsageError: there are no tests, or pytest cannot collect them; they import a module of the
            layer from elsewhere; the agent server shall be watched, and there is none.
        WorldBroken: the first repetition of a test left the simulation.
    """
    from race_harness.subjects import pytest_item

    logging.disable(logging.NOTSET)
    if tests.tree:
        os.chdir(tests.tree)

    def serve_what_was_found(found: "Collected") -> None:
        if tests.invariant:
            from race_harness.subjects import remote_runs

            remote_runs.install()
        bench = RepeatingBench(tests, player, found, world)
        bench.warm_up()
        if hidden := _hidden_by_others():
            raise UsageError(hidden)
        serve(bench)

    player = pytest_item.Player(serve_what_was_found)
    pytest_item.collect(tests.paths, tests.keyword, scratch.place() / "pytest", player)
