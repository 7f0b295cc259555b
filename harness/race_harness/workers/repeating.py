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
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from race_harness.model.combination import Combination
from race_harness.model.errors import UsageError, WorldBroken
from race_harness.model.layered import PATH_FILE
from race_harness.model.outcome import Outcome, Void
from race_harness.model.repetition import Raised, Repetition, ThreadDeath
from race_harness.model.requests import with_numbers
from race_harness.model.schedule import Schedule
from race_harness.model.source_line import Line, SourceLine
from race_harness.model.trace import Trace
from race_harness.oracle.of_test import judge_repetition
from race_harness.realtime.processes import Parent, fork, leave
from race_harness.sim import source
from race_harness.sim.line_log import LineLog
from race_harness.sim.watchdog import Watchdog
from race_harness.sim.world import Ending, World
from race_harness.workers import scratch
from race_harness.workers.native import NativeEnding, NativeRepetition
from race_harness.workers.protocol import Ready
from race_harness.workers.selection import Selection
from race_harness.workers.trial import Trial

if TYPE_CHECKING:
    import pytest

    from race_harness.subjects.pytest_item import Collected, Player
    from race_harness.subjects.remote_runs import RemoteRuns

LEAVE_S: Final = 5.0
"""Virtual seconds that threads have to end by themselves after a test, before they are noted."""


class Onlooker(Protocol):
    """Watches a repetition of a test, in the process of the repetition."""

    def attach(self, world: World, modules: Sequence[str], tell: Callable[[object], None]) -> None:
        """Called before anything runs; `tell` reaches the process that forked this one."""

    def begin(self, until_end: ExitStack) -> None:
        """Called when the test itself begins."""

    def raised(self, phase: str, error: BaseException) -> None:
        """Called with the exception that ended a phase of the test or, as `thread`, a thread."""


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
        modules = self._source(schedule.scenario)
        child = fork(lambda parent: self._repeat(parent, item, schedule, modules, None))
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
        modules = self._source(schedule.scenario)
        child = fork(lambda parent: self._repeat(parent, item, schedule, modules, onlooker))
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

    # -- in the process of a repetition ------------------------------------------------------

    def _repeat(
        self,
        parent: Parent,
        item: "pytest.Item",
        schedule: Schedule,
        modules: Sequence[str],
        onlooker: Onlooker | None,
    ) -> None:
        try:
            _own_folders(self._root, item)
            known = set(sys.modules)
            look = None if onlooker is None else _Look(onlooker, parent.line.send)

            def tell(trial: Trial) -> None:
                parent.line.send(([name for name in sys.modules if name not in known], trial))

            if self.combination.in_real_time:
                self._play_natively(item, schedule, modules, tell)
            else:
                Watchdog(parent.line.send).start()
                tell(self._play(item, schedule, modules, look))
        except WorldBroken as broken:
            parent.line.send(str(broken))
        except BaseException:
            parent.line.send(traceback.format_exc())

    def _play(
        self,
        item: "pytest.Item",
        schedule: Schedule,
        modules: Sequence[str],
        look: "_Look | None",
    ) -> Trial:
        began = time.perf_counter()
        children = self._tests.child_processes
        world = World(schedule, modules, child_processes=children, held=True)
        world.trace.author = world.kernel.author
        log = LineLog(world.kernel) if self.logs_lines else None
        if log is not None:
            world.lines.listener = log.tell
        self._player.source = modules
        phases: list[Any] = []
        deaths = _Deaths(world.trace, modules)
        if look is not None:
            look.onlooker.attach(world, modules, partial(_told_aside, world, look.tell))
            self._player.on_raised = deaths.on_raised = look.onlooker.raised
        left: list[str] = []
        watched = self._watched(world)

        def body() -> None:
            with ExitStack() as lines:

                def begin() -> None:
                    # The world begins first, since a fault may wait for the call.
                    world.begin()
                    world.trace.record("client", "test-called", call=1)
                    lines.enter_context(world.lines.watched())
                    if look is not None:
                        look.onlooker.begin(lines)

                phases.extend(self._player.play(item, begin, world.trace))

        def after() -> None:
            left.extend(thread.name for thread in _others() if thread.is_alive())

        ending = world.play(body, after, LEAVE_S)
        if log is not None:
            ending = replace(ending, happenings=log.among(ending.happenings))
        repetition = Repetition(
            tuple(phases),
            tuple(deaths.found),
            ending.stopped,
            tuple(sorted(left)),
            early=() if watched is None else tuple(watched.early()),
            unwatched=None if watched is None else watched.unwatched(),
        )
        _check_ours(repetition)
        return _judged(schedule, repetition, ending, began)

    def _watched(self, world: World) -> "RemoteRuns | None":
        if not self._tests.invariant:
            return None
        from race_harness.subjects import remote_runs

        watched = remote_runs.watch(world.trace, world.lines.look)
        kernel = world.kernel

        def probe() -> None:
            # The network by itself changes nothing that a client shows.
            if not kernel.between_strands:
                watched.look_for_new()

        kernel.probe = world.trace.probe = probe
        return watched

    def _play_natively(
        self,
        item: "pytest.Item",
        schedule: Schedule,
        modules: Sequence[str],
        tell: Callable[[Trial], None],
    ) -> None:
        """Play it in real time and tell how it ended, even if the test itself never ends."""
        began = time.perf_counter()
        self._player.source = modules

        def ended(ending: NativeEnding) -> None:
            tell(_judged(schedule, ending.repetition, ending, began))
            leave()

        native = NativeRepetition(schedule, modules, ended)
        native.deaths = _Deaths(native.trace, modules).found
        native.play(self._player, item)


def _judged(
    schedule: Schedule, repetition: Repetition, ending: Ending | NativeEnding, began: float
) -> Trial:
    """The trial with its verdict; `began` is as of `time.perf_counter()`."""
    judged = judge_repetition(repetition)
    void = judged if isinstance(judged, Void) else None
    return Trial(
        schedule=schedule,
        outcome=Outcome((), (), void, repetition.stopped),
        judgement=None if isinstance(judged, Void) else judged,
        happenings=with_numbers(ending.happenings),
        digest=ending.digest,
        stacks=ending.stacks,
        wall_ms=(time.perf_counter() - began) * 1e3,
    )


class _Look(NamedTuple):
    onlooker: Onlooker
    tell: Callable[[object], None]


def _told_aside(world: World, tell: Callable[[object], None], message: object) -> None:
    """Tell it unnoticed by the trial: sending takes a lock, which is also the simulation's."""
    before, world.kernel.frozen = world.kernel.frozen, True
    try:
        tell(message)
    finally:
        world.kernel.frozen = before


def _check_ours(repetition: Repetition) -> None:
    """Raises WorldBroken: the harness itself failed, so there is no verdict."""
    raised = [report.raised for report in repetition.phases if report.outcome == "failed"]
    for one in [*raised, *(death.raised for death in repetition.deaths)]:
        if one is not None and one.ours:
            raise WorldBroken(f"the simulation itself failed: {one.error} (at {one.where})")


class _Deaths:
    """Notes threads that die of an exception; pytest would only warn."""

    def __init__(self, trace: Trace, modules: Sequence[str]) -> None:
        self.found: list[ThreadDeath] = []
        self.on_raised: Callable[[str, BaseException], None] = lambda _phase, _error: None
        self._trace = trace
        self._modules = modules
        threading.excepthook = self._note

    def _note(self, args: threading.ExceptHookArgs) -> None:
        from race_harness.subjects.pytest_item import raised_of

        if args.exc_value is None or isinstance(args.exc_value, SystemExit):
            return
        raised: Raised = raised_of(args.exc_value, args.exc_traceback, self._modules)
        name = args.thread.name if args.thread is not None else "unknown"
        self.found.append(ThreadDeath(name, raised))
        self.on_raised("thread", args.exc_value)
        self._trace.record(
            "client", "thread-died", thread=name, error=raised.error, where=raised.where
        )


def _others() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one is not threading.main_thread()]


def _own_folders(root: Path, item: "pytest.Item") -> None:
    """Give the repetition folders of its own. Where the machine does not allow this, folder names
    differ, and so may digests, and repetitions that run at once write to one project."""
    point = scratch.place()
    try:
        scratch.enter(point)
        with suppress(OSError):
            scratch.keep_as_it_is(root, point)
    except OSError:
        # Removed with the worker's folder.
        point = Path(os.environ["TMPDIR"]) / f"repetition-{os.getpid()}"
        point.mkdir()
        # pytest has no other way to change it once it is set.
        item.config._tmp_path_factory._given_basetemp = point / "pytest"  # type: ignore[attr-defined]
    scratch.furnish(point)


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
