"""pdb at an instant of a trial: time stands still, and no other thread of the trial runs.

It talks to the terminal, whatever pytest has put in the place of the standard streams.
"""

import os
import pdb
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

from race_harness.sim.kernel import Kernel
from race_harness.sim.strands import Strand

_HARNESS: Final = str(Path(__file__).parents[1])
_PDB: Final = tuple(f"{os.sep}{name}.py" for name in ("pdb", "bdb", "cmd"))


class TrialDebugger(pdb.Pdb):
    """`left` is called when the user quits; it does not return.

    Stacks begin at the test, or at the thread's first line of the test's own source, and end
    before the simulation's frames.
    """

    def __init__(
        self, kernel: Kernel, modules: Sequence[str], left: Callable[[], None] = lambda: None
    ) -> None:
        with _terminal():
            super().__init__(skip=["race_harness.*"], nosigint=True, readrc=False)
        self._kernel = kernel
        self._modules = modules
        self._left = left
        self._begins = False
        """Whether it has just been called, and has yet to find the test's own innermost frame."""
        self._strand: Strand | None = None

    def stop(self, frame: FrameType, says: Sequence[str], strand: Strand | None = None) -> None:
        """Talk to the user at this frame; `strand` is its thread, unless that is the running one.

        If the user steps, the debugger follows the running thread.
        """
        self.reset()
        at = outside(frame)
        self._begins, self._strand = True, strand or self._kernel.strand_of_caller()
        with _terminal():
            for line in says:
                self.message(line)
        one: FrameType | None = at
        if strand is None:
            while one is not None:
                one.f_trace = self.trace_dispatch
                self.botframe = one
                one = one.f_back
        self.interaction(at, None)
        # Bdb has -1 when it shall continue until a breakpoint.
        if strand is None and (self.stoplineno != -1 or self.breaks):
            sys.settrace(self.trace_dispatch)

    def interaction(self, *arguments: Any) -> None:
        kernel = self._kernel
        kernel.frozen = True
        if not self._begins:
            self._strand = kernel.strand_of_caller()
        try:
            with _terminal():
                super().interaction(*arguments)
        finally:
            kernel.frozen = False
        sys.__stdout__.flush()  # type: ignore[union-attr]
        if self.quitting:
            self._left()

    def get_stack(self, f: Any, t: Any) -> tuple[list[tuple[FrameType, int]], int]:
        stack, place = super().get_stack(f, t)
        own = [number for number, (frame, _) in enumerate(stack) if self._is_own(frame)]
        if own and own[0] <= place:
            stack, place = stack[own[0] :], place - own[0]
            if self._begins:
                place = own[-1] - own[0]
        self._begins = False
        return stack, place

    def do_threads(self, _arg: str) -> None:
        """threads

        List the threads of the trial and where they are; no time passes.
        """
        for strand in self._living():
            mark = "*" if strand is self._strand else " "
            waits = f", waits: {strand.blocked_on}" if strand.blocked_on else ""
            frame = self._frame_of(strand)
            where = f", at {_place(self._innermost(frame))}" if frame is not None else ""
            name = self._kernel.name_of(strand)
            self.message(f"{mark} {strand.index} {name}{waits}{where}")

    def do_thread(self, arg: str) -> None:
        """thread NUMBER

        Look at another thread, by its number in `threads`. It does not run.
        """
        found = [one for one in self._living() if str(one.index) == arg.strip()]
        frame = self._frame_of(found[0]) if found else None
        if frame is None:
            self.error(f"no thread {arg!r}; `threads` lists them")
            return
        self._strand, self._begins = found[0], True
        self.setup(frame, None)
        self.print_stack_entry(self.stack[self.curindex])

    def _living(self) -> Iterator[Strand]:
        return (strand for strand in self._kernel.strands if not strand.done)

    def _frame_of(self, strand: Strand) -> FrameType | None:
        frame = sys._current_frames().get(strand.ident)
        if frame is None:
            return None
        return outside(frame)

    def _innermost(self, frame: FrameType) -> FrameType:
        """The test's own innermost frame, if there is one."""
        one: FrameType | None = frame
        while one is not None:
            if self._is_own(one):
                return one
            one = one.f_back
        return frame

    def _is_own(self, frame: FrameType) -> bool:
        name = str(frame.f_globals.get("__name__", ""))
        return any(name == one or name.startswith(f"{one}.") for one in self._modules)


def outside(frame: FrameType) -> FrameType:
    """The innermost frame that belongs neither to the harness nor to pdb."""
    one: FrameType | None = frame
    while one is not None:
        file = one.f_code.co_filename
        if not file.startswith(_HARNESS) and not file.endswith(_PDB):
            return one
        one = one.f_back
    return frame


def _place(frame: FrameType) -> str:
    code = frame.f_code
    return f"{Path(code.co_filename).name}:{frame.f_lineno} in {code.co_qualname}"


@contextmanager
def _terminal() -> Iterator[None]:
    """Restore the standard streams of the process for a while."""
    before = sys.stdin, sys.stdout, sys.stderr
    sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
