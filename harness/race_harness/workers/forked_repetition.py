"""One repetition of a user's test, in the process that was forked for it."""

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from race_harness.model.errors import WorldBroken
from race_harness.model.outcome import Outcome, Void
from race_harness.model.repetition import Raised, Repetition, ThreadDeath
from race_harness.model.requests import with_numbers
from race_harness.model.schedule import Schedule
from race_harness.model.trace import Trace
from race_harness.oracle.of_test import judge_repetition
from race_harness.realtime.processes import Parent, leave
from race_harness.sim.line_log import LineLog
from race_harness.sim.watchdog import Watchdog
from race_harness.sim.world import Ending, World
from race_harness.workers import scratch
from race_harness.workers.native import NativeEnding, NativeRepetition
from race_harness.workers.selection import Selection
from race_harness.workers.trial import Trial

if TYPE_CHECKING:
    import pytest

    from race_harness.subjects.pytest_item import Player
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


@dataclass(frozen=True)
class ForkedRepetition:
    """A test, and how it is to be run once."""

    schedule: Schedule
    item: "pytest.Item"
    player: "Player"
    root: Path
    """Of pytest's session."""
    modules: Sequence[str]
    """Those whose lines count."""
    tests: Selection
    in_real_time: bool
    logs_lines: bool
    onlooker: Onlooker | None = None

    def run(self, parent: Parent) -> None:
        """Tell the parent the modules that were imported on the way and the `Trial`, or as a text
        what broke."""
        try:
            _own_folders(self.root, self.item)
            known = set(sys.modules)

            def tell(trial: Trial) -> None:
                parent.line.send(([name for name in sys.modules if name not in known], trial))

            if self.in_real_time:
                self._play_natively(tell)
            else:
                Watchdog(parent.line.send).start()
                tell(self._play(parent.line.send))
        except WorldBroken as broken:
            parent.line.send(str(broken))
        except BaseException:
            parent.line.send(traceback.format_exc())

    def _play(self, tell: Callable[[object], None]) -> Trial:
        began = time.perf_counter()
        world = World(
            self.schedule, self.modules, child_processes=self.tests.child_processes, held=True
        )
        world.trace.author = world.kernel.author
        log = LineLog(world.kernel) if self.logs_lines else None
        if log is not None:
            world.lines.listener = log.tell
        self.player.source = self.modules
        phases: list[Any] = []
        deaths = _Deaths(world.trace, self.modules)
        onlooker = self.onlooker
        if onlooker is not None:
            onlooker.attach(world, self.modules, partial(_told_aside, world, tell))
            self.player.on_raised = deaths.on_raised = onlooker.raised
        left: list[str] = []
        watched = self._watched(world)

        def body() -> None:
            with ExitStack() as lines:

                def begin() -> None:
                    # The world begins first, since a fault may wait for the call.
                    world.begin()
                    world.trace.record("client", "test-called", call=1)
                    lines.enter_context(world.lines.watched())
                    if onlooker is not None:
                        onlooker.begin(lines)

                phases.extend(self.player.play(self.item, begin, world.trace))

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
        return _judged(self.schedule, repetition, ending, began)

    def _watched(self, world: World) -> "RemoteRuns | None":
        if not self.tests.invariant:
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

    def _play_natively(self, tell: Callable[[Trial], None]) -> None:
        """Play it in real time and tell how it ended, even if the test itself never ends."""
        began = time.perf_counter()
        self.player.source = self.modules

        def ended(ending: NativeEnding) -> None:
            tell(_judged(self.schedule, ending.repetition, ending, began))
            leave()

        native = NativeRepetition(self.schedule, self.modules, ended)
        native.deaths = _Deaths(native.trace, self.modules).found
        native.play(self.player, self.item)


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
