"""A repetition of a test in real time: the machine's own threads, clock and sockets.

Only the stalls of a schedule apply: a thread that reaches such a line sleeps there.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from race_harness.model.repetition import PhaseReport, Repetition, ThreadDeath
from race_harness.model.schedule import LineStall, Schedule
from race_harness.model.source_line import Line
from race_harness.model.trace import Happening
from race_harness.realtime.processes import stacks_of_others
from race_harness.realtime.record import SharedTrace, digest_of, in_order
from race_harness.sim import source
from race_harness.sim.line_events import line_events

if TYPE_CHECKING:
    import pytest

    from race_harness.subjects.pytest_item import Player

LIMIT_S: Final = 60.0
"""Wall seconds that a repetition may take beyond its stalls, before it counts as hung."""
_LEAVE_S: Final = 0.5
"""Wall seconds that threads have to end by themselves after a test, before they are noted."""


@dataclass(frozen=True)
class NativeEnding:
    """The result of a repetition."""

    repetition: Repetition
    happenings: tuple[Happening, ...]
    digest: str
    stacks: dict[str, str]


class NativeRepetition:
    """One repetition, in the process that was forked for it.

    `told` gets the ending, once: when the test has ended or, with the stacks of all threads, when
    its time is over.
    """

    def __init__(
        self,
        schedule: Schedule,
        modules: Sequence[str],
        told: Callable[[NativeEnding], None],
    ) -> None:
        began_ns = time.monotonic_ns()
        self.trace = SharedTrace(lambda: time.monotonic_ns() - began_ns)
        self.deaths: list[ThreadDeath] = []
        self._stalls = schedule.interleaving.stalls
        self._modules = modules
        self._told = told
        self._phases: list[PhaseReport] = []
        self._called = False
        self._ended = threading.Lock()

    def play(self, player: "Player", item: "pytest.Item") -> None:
        limit_s = LIMIT_S + sum(stall.for_ms for stall in self._stalls) / 1e3
        threading.Thread(
            target=self._stop_after, args=[limit_s], name="harness: limit", daemon=True
        ).start()
        with ExitStack() as lines:

            def begin() -> None:
                self._called = True
                self.trace.record("client", "test-called", call=1)
                lines.enter_context(self._stalling())

            self._phases.extend(player.play(item, begin, self.trace))
        self._tell(None, {}, self._left())

    def _stop_after(self, limit_s: float) -> None:
        time.sleep(limit_s)
        self._tell(f"wall-time limit: {limit_s:g} s", stacks_of_others(), ())

    def _tell(self, stopped: str | None, stacks: dict[str, str], left: tuple[str, ...]) -> None:
        """Report the ending; only the first thread that calls this does so, others wait."""
        if not self._ended.acquire(blocking=False):
            threading.Event().wait()
        now_ns = self.trace.now_ns()
        happenings = in_order(self.trace.happenings, now_ns)
        phases = self._phases
        if stopped is not None and self._called:
            # pytest has not reported on the call yet.
            phases = [PhaseReport("setup", "passed"), PhaseReport("call", "failed")]
        repetition = Repetition(tuple(phases), tuple(self.deaths), stopped, left)
        self._told(NativeEnding(repetition, happenings, digest_of(happenings), stacks))

    def _left(self) -> tuple[str, ...]:
        until = time.monotonic() + _LEAVE_S
        others = [
            thread
            for thread in threading.enumerate()
            if thread is not threading.current_thread() and not thread.name.startswith("harness: ")
        ]
        for thread in others:
            thread.join(max(0.0, until - time.monotonic()))
        return tuple(sorted(thread.name for thread in others if thread.is_alive()))

    @contextmanager
    def _stalling(self) -> Iterator[None]:
        if not self._stalls:
            yield
            return
        wanted: dict[Line, list[LineStall]] = {}
        for stall in self._stalls:
            wanted.setdefault((stall.function, stall.line), []).append(stall)
        reached: Counter[Line] = Counter()
        counting = threading.Lock()

        def reach(function: source.Function, number: int) -> None:
            line = (function.name, function.lines.get(number, ""))
            if line not in wanted:
                return
            with counting:
                reached[line] += 1
                nth = reached[line]
            for stall in wanted[line]:
                if stall.nth == nth:
                    self._stall(stall)

        named = {function for function, _ in wanted}
        functions = [one for one in source.functions(self._modules) if one.name in named]
        with line_events(functions, reach):
            yield

    def _stall(self, stall: LineStall) -> None:
        self.trace.record(
            *("client", "line-stalled"),
            function=stall.function,
            line=stall.line,
            thread=threading.current_thread().name,
            for_ms=stall.for_ms,
        )
        time.sleep(stall.for_ms / 1e3)
