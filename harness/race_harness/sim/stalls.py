"""Stalls and switches at lines of the client's source.

An operating system may take a thread off its core before any line, and leave it there for a while.
Only the client's functions report their lines: nothing else is slowed down, and in a trial that
needs no lines, nothing at all.
"""

import importlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from race_harness.model.schedule import Interleaving, LineStall
from race_harness.model.source_line import Line
from race_harness.sim import source
from race_harness.sim.kernel import MILLISECOND, Kernel
from race_harness.sim.line_events import line_events


class Lines:
    """The lines of a client at which a schedule intervenes, in one trial.

    Args:
        modules: names of the client's modules, as `Adapter.source` has them.
    """

    def __init__(self, kernel: Kernel, interleaving: Interleaving, modules: Sequence[str]) -> None:
        self._kernel = kernel
        self._modules = modules
        self._switches = interleaving.at_lines and interleaving.seed is not None
        self._stalls: dict[Line, list[LineStall]] = {}
        for stall in interleaving.stalls:
            self._stalls.setdefault((stall.function, stall.line), []).append(stall)
        self._reached: Counter[Line] = Counter()
        self.listener: Callable[[source.Function, int], None] | None = None
        """Called for each line, in its thread, just before the line really runs."""
        self._looking = False

    @property
    def needed(self) -> bool:
        """Whether the schedule says anything about lines, or somebody listens."""
        return self._switches or bool(self._stalls) or self.listener is not None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Within, threads under control stall and switch where the schedule says so.

        Raises:
            WorldBroken: other tools hold all of `sys.monitoring`.
        """
        if not self.needed:
            yield
            return
        stalled = {function for function, _ in self._stalls}
        functions = [
            function
            for function in source.functions(self._modules)
            if self._switches or self.listener or function.name in stalled
        ]
        with line_events(functions, self._reach):
            yield

    @contextmanager
    def look(self) -> Iterator[None]:
        """Within, no lines are reported: it is the harness that runs them, to look."""
        before, self._looking = self._looking, True
        try:
            yield
        finally:
            self._looking = before

    def _reach(self, function: source.Function, number: int) -> None:
        kernel = self._kernel
        if self._looking or not kernel.controls() or kernel.ending or kernel.frozen:
            return
        strand = kernel.strand_of_caller()
        if strand.ready or strand.blocked_on:
            return  # inside the kernel, where at most a finalizer of the client's runs
        if _importing():
            return
        if self._stalls and (stalls := self._due(function, number)):
            for stall in stalls:
                self._stall(stall, function.shared_names.get(number))
        elif self._switches:
            kernel.pause(function.shared_names.get(number))
        if self.listener is not None and not kernel.ending:
            self.listener(function, number)

    def _due(self, function: source.Function, number: int) -> list[LineStall]:
        line = (function.name, function.lines.get(number, ""))
        stalls = self._stalls.get(line)
        if stalls is None:
            return []
        self._reached[line] += 1
        return [stall for stall in stalls if stall.nth == self._reached[line]]

    def _stall(self, stall: LineStall, works_on: object) -> None:
        kernel = self._kernel
        kernel.trace.record(
            "client",
            "line-stalled",
            function=stall.function,
            line=stall.line,
            thread=kernel.strand_of_caller().name,
            for_ms=stall.for_ms,
        )
        for_ns = round(stall.for_ms * MILLISECOND)
        kernel.limit_ns += for_ns
        until_ns = kernel.own_ns() + for_ns
        while kernel.own_ns() < until_ns:
            kernel.block("a line's stall", until_ns, works_on)


_bootstrap: Final[dict[str, Any]] = vars(vars(importlib)["_bootstrap"])


def _importing() -> bool:
    """Whether the calling thread is inside an import, and so holds a real lock."""
    if not _bootstrap["_module_locks"]:
        return False
    # It may be another thread's import, or a failed one whose traceback is still kept.
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals is _bootstrap:
            return True
        frame = frame.f_back
    return False
