"""Stalls and switches at lines of the client's source.

An operating system may take a thread off its core before any line, and leave it there for a while.
`sys.monitoring` (PEP 669) tells of each line that is about to run, for chosen functions only: the
client's. Nothing else is slowed down, and nothing at all in a trial that needs no lines.
"""

import importlib
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, Final

from race_harness.model.errors import WorldBroken
from race_harness.model.schedule import Interleaving, LineStall
from race_harness.sim import source
from race_harness.sim.kernel import MILLISECOND, Kernel

_TOOLS: Final = (4, 3, 5, 2, 1, 0)
"""Tool ids. PEP 669 gives the first two to nobody; Hypothesis takes 3 where it is free."""


class Lines:
    """The lines of a client at which a schedule intervenes, in one trial.

    Args:
        modules: names of the client's modules, as `Adapter.source` has them.
    """

    def __init__(self, kernel: Kernel, interleaving: Interleaving, modules: Sequence[str]) -> None:
        self._kernel = kernel
        self._modules = modules
        self._switches = interleaving.at_lines and interleaving.seed is not None
        self._stalls: dict[source.Line, list[LineStall]] = {}
        for stall in interleaving.stalls:
            self._stalls.setdefault((stall.function, stall.line), []).append(stall)
        self._reached: Counter[source.Line] = Counter()
        self._looking = False
        # By id, since a code object is hashed by reading all of it. The functions stay loaded.
        self._functions: dict[int, source.Function] = {}

    @property
    def needed(self) -> bool:
        """Whether the schedule says anything about lines."""
        return self._switches or bool(self._stalls)

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
        self._functions = {
            id(function.code): function
            for function in source.functions(self._modules)
            if self._switches or function.name in stalled
        }
        monitoring, line = sys.monitoring, sys.monitoring.events.LINE
        tool = _free_tool()
        monitoring.use_tool_id(tool, "race-harness")
        try:
            monitoring.register_callback(tool, line, self._line)
            for function in self._functions.values():
                monitoring.set_local_events(tool, function.code, line)
            yield
        finally:
            for function in self._functions.values():
                monitoring.set_local_events(tool, function.code, 0)
            monitoring.register_callback(tool, line, None)
            monitoring.free_tool_id(tool)

    @contextmanager
    def look(self) -> Iterator[None]:
        """Within, lines are not told of: what runs them is the harness, which looks."""
        before, self._looking = self._looking, True
        try:
            yield
        finally:
            self._looking = before

    def _line(self, code: CodeType, number: int) -> object:
        """A line is about to run. CPython tells of no other line of this thread meanwhile."""
        function = self._functions.get(id(code))
        if function is None:
            # Asked for by a tool that had our id before: frames that were running when it gave
            # that up still tell of their lines.
            return sys.monitoring.DISABLE
        self._reach(function, number)
        return None

    def _reach(self, function: source.Function, number: int) -> None:
        kernel = self._kernel
        if self._looking or not kernel.controls() or kernel.ending:
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
        until_ns = kernel.now_ns + for_ns
        while kernel.now_ns < until_ns:
            kernel.block("a line's stall", until_ns, works_on)


def _free_tool() -> int:
    for tool in _TOOLS:
        if sys.monitoring.get_tool(tool) is None:
            return tool
    raise WorldBroken("sys.monitoring has no tool id left: debuggers and profilers hold them all")


_bootstrap: Final[dict[str, Any]] = vars(vars(importlib)["_bootstrap"])


def _importing() -> bool:
    """Whether the calling thread is inside an import, and so holds a real lock."""
    if not _bootstrap["_module_locks"]:
        return False
    # An import of another thread; or one that failed, whose traceback is still kept somewhere.
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_globals is _bootstrap:
            return True
        frame = frame.f_back
    return False
