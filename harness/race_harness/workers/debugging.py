"""Runs a failing trial again in the foreground, and stops it at a moment.

It runs twice. The first run shows whether the trial fails as it did, and which exception nobody
catches; the second run stops where that is raised, before anything is unwound.
"""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import FrameType
from typing import Any, Final

from race_harness.model.errors import HarnessError, UsageError, in_one_line
from race_harness.model.failure import Failure
from race_harness.model.plain_text import visible
from race_harness.model.verdict import passes
from race_harness.model.version import __version__
from race_harness.sim import source
from race_harness.sim.kernel import MILLISECOND
from race_harness.sim.raises import RaisedAt, Raises
from race_harness.sim.source import Function
from race_harness.sim.strands import Strand
from race_harness.sim.world import World
from race_harness.workers.debugger import TrialDebugger
from race_harness.workers.repeating import RepeatingBench, collected
from race_harness.workers.selection import Selection
from race_harness.workers.stop_at import StopAt
from race_harness.workers.trial import Trial

_PHASES: Final = {"failed": "call", "error": "teardown", "thread-died": "thread"}
"""For each verdict, the phase that ended with an exception."""

_HELP: Final = (
    "time stands still, and no other thread runs: `threads` lists them, `thread N` looks at one"
)


def main(arguments: list[str]) -> None:
    """Arguments: `debug`, world, the adapter of the tests, the failure file, and what was written
    for `--at`, or nothing."""
    _, _, adapter, file, written = arguments
    # The parent waits for this process; Ctrl-C is for the debugger.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    status: list[int] = []
    try:
        failure = Failure.read(Path(file))
        at = StopAt.parse(written) if written else None
        tests = Selection.from_adapter(adapter)
        assert tests is not None
        with Path(os.devnull).open("w") as nowhere:
            # pytest's report of a session without results would only distract.
            sys.stdout = nowhere
            collected(tests, lambda bench: status.append(_debug(bench, failure, at)))
    except HarnessError as error:
        print(f"race: {in_one_line(error)}", file=sys.__stderr__, flush=True)
        status = [error.exit_code]
    finally:
        sys.stdout = sys.__stdout__
    sys.exit(status[0] if status else 1)


def _debug(bench: RepeatingBench, failure: Failure, at: StopAt | None) -> int:
    """Debug the failure; the exit status is 0 if the trial was stopped."""
    if at is not None:
        _check(at, bench.modules_of(failure.schedule.scenario))
    finder = _Finder()
    trial = bench.looked_at(failure.schedule, finder, finder.heard)
    assert trial is not None
    same = _told(failure, trial)
    if not same and at is None:
        return 1
    headline = failure.judgement.headline
    place = finder.places.get(_PHASES.get(headline, ""))
    if at is None and headline != "hang" and place is None:
        raise UsageError("nothing was raised that could be stopped at: name a moment with --at")
    stopped: list[object] = []
    stopper = _Stopper(at, place)
    trial = bench.looked_at(failure.schedule, stopper, stopped.append)
    if trial is not None:
        _say(f"the trial has ended: {_verdicts(trial)}")
    if not stopped:
        _say("NOT reached" if at is None else f"NOT reached: {at.says}")
    return 0 if stopped else 1


def _check(at: StopAt, modules: Sequence[str]) -> None:
    if at.ms is None and not any(
        at.names(function, number)
        for function in source.functions(modules)
        for number in function.lines
    ):
        raise UsageError(
            f"--at {at.says!r} names no line of the test's project, or of the modules that "
            "--source named when it failed"
        )


def _told(failure: Failure, trial: Trial) -> bool:
    """Report, and return, whether the trial failed as the file says."""
    verdicts, its = _verdicts(trial), ", ".join(failure.judgement.verdicts)
    if verdicts != its:
        _say(f"NOT reproduced: the file says {its}, this run {verdicts}")
        return False
    if trial.digest == failure.digest:
        _say(f"reproduced: {its}")
    elif failure.harness_version != __version__:
        _say(f"reproduced: {its}, by another release of race-harness than that of the file")
    else:
        _say(f"reproduced: {its}; the test or what it uses is another than that of the file")
    return True


def _verdicts(trial: Trial) -> str:
    if trial.judgement is None:
        return f"void ({trial.outcome.void.says})" if trial.outcome.void else "void"
    told = ", ".join(trial.judgement.verdicts)
    return told if not passes(trial.judgement.verdicts) else f"{told}, it passes"


def _say(text: str) -> None:
    # Parts of the text come from the file, so escape what a terminal would obey.
    print(visible(text), file=sys.__stdout__, flush=True)


class _Finder:
    """Watches a repetition for the places where it raised the exceptions that ended it."""

    def __init__(self) -> None:
        self.places: dict[str, RaisedAt] = {}
        self._tell: Callable[[object], None] = lambda _message: None

    def heard(self, message: Any) -> None:
        """Keep the first place of each phase; runs in the process that forked the repetition."""
        phase, place = message
        self.places.setdefault(phase, RaisedAt(*place))

    def attach(self, world: World, modules: Sequence[str], tell: Callable[[object], None]) -> None:
        self._tell = tell
        self._raises = Raises(world.kernel, lambda _place, _frame, _error: None)

    def begin(self, until_end: ExitStack) -> None:
        until_end.enter_context(self._raises.watched())

    def raised(self, phase: str, error: BaseException) -> None:
        if (place := RaisedAt.of(error)) is not None:
            self._tell((phase, tuple(place)))


class _Stopper:
    """Watches the trial and stops it once: at a moment, where something is raised, or when it is
    known to hang."""

    def __init__(self, at: StopAt | None, place: RaisedAt | None) -> None:
        self._at = at
        self._place = place
        self._times = 0
        self._stopped = False

    def attach(self, world: World, modules: Sequence[str], tell: Callable[[object], None]) -> None:
        self._world = world
        self._kernel = world.kernel
        self._tell = tell
        self._debugger = TrialDebugger(world.kernel, modules, _leave)
        signal.signal(signal.SIGINT, self._interrupted)
        if self._at is not None:
            world.lines.listener = self._reached
        elif self._place is None:
            world.kernel.on_stop = self._hangs
        self._raises = Raises(world.kernel, self._raised_here)

    def begin(self, until_end: ExitStack) -> None:
        self._began_ns = self._kernel.now_ns
        if self._at is None and self._place is not None:
            until_end.enter_context(self._raises.watched())

    def raised(self, phase: str, error: BaseException) -> None:
        """Nothing to do: the trial was stopped there before."""

    def _reached(self, function: Function, number: int) -> None:
        assert self._at is not None
        if self._stopped or not self._at.is_at(function, number, self._ms()):
            return
        self._times += 1
        if self._times == self._at.nth:
            frame = sys._getframe()
            while frame.f_code is not function.code and frame.f_back is not None:
                frame = frame.f_back
            self._stop(frame, f"before {function.name}: {function.lines.get(number, '')}")

    def _raised_here(self, place: RaisedAt, frame: FrameType, error: BaseException) -> None:
        if place == self._place and not self._stopped:
            first = (str(error).strip().splitlines() or [""])[0]
            self._stop(frame, f"{type(error).__name__}: {first}")

    def _hangs(self, reason: str) -> None:
        """Stop in a thread that waits for a lock, if any: the one that runs now shows less."""
        main, *others = (strand for strand in self._kernel.strands if not strand.done)
        # In Python 3.12 joining a thread waits for a lock, too; mostly the main thread does that.
        waiting = [strand for strand in (*others, main) if strand.blocked_on == "lock"]
        strand = (waiting or [main])[0]
        frame = sys._current_frames().get(strand.ident)
        if frame is not None:
            self._stop(frame, reason, strand)

    def _stop(self, frame: FrameType, says: str, strand: Strand | None = None) -> None:
        self._stopped = True
        self._tell(("stopped", says))
        name = self._kernel.name_of(strand or self._kernel.strand_of_caller())
        self._debugger.stop(
            frame,
            (f"stopped in {name}, {self._ms():.1f} ms after the test began: {says}", _HELP),
            strand,
        )

    def _ms(self) -> float:
        return (self._kernel.now_ns - self._began_ns) / MILLISECOND

    def _interrupted(self, _number: int, _frame: FrameType | None) -> None:
        """Let Ctrl-C end a running trial. The signal reaches the main thread, whichever thread the
        user is looking at."""
        if not self._kernel.frozen:
            os._exit(130)
        if self._kernel.current is self._kernel.strands[0]:
            raise KeyboardInterrupt


def _leave() -> None:
    """The user has quit: nothing more is needed of this process."""
    os._exit(0)
