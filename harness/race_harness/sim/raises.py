"""Where in a trial an exception was raised first, so that the next trial can be stopped there.

At that instant nothing has been unwound: the raising thread still holds what it held. Nobody can
know then whether the exception will be caught; the next trial can.
"""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import NamedTuple

from race_harness.sim.kernel import Kernel
from race_harness.sim.line_events import free_tool

_MARK = "_race_harness_raised_at"


class RaisedAt(NamedTuple):
    """The `nth` time that an exception of this type was raised at this line by this strand."""

    strand: int
    error: str
    function: str
    line: int
    nth: int

    @staticmethod
    def of(error: BaseException) -> "RaisedAt | None":
        """Where this exception was raised; None: it was not seen."""
        # Not getattr(): its class may define its own attribute access.
        found: RaisedAt | None = error.__dict__.get(_MARK)
        return found


class Raises:
    """Calls `on_raise` for each exception of a trial's threads, once, in its thread."""

    def __init__(
        self, kernel: Kernel, on_raise: Callable[[RaisedAt, FrameType, BaseException], None]
    ) -> None:
        self._kernel = kernel
        self._on_raise = on_raise
        self._seen: Counter[tuple[int, str, str, int]] = Counter()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Within, exceptions are watched.

        Raises:
            WorldBroken: other tools hold all of `sys.monitoring`.
        """
        monitoring, event = sys.monitoring, sys.monitoring.events.RAISE
        tool = free_tool()
        monitoring.use_tool_id(tool, "race-harness raises")
        try:
            monitoring.register_callback(tool, event, self._raise)
            monitoring.set_events(tool, event)
            yield
        finally:
            monitoring.set_events(tool, 0)
            monitoring.register_callback(tool, event, None)
            monitoring.free_tool_id(tool)

    def _raise(self, code: CodeType, _offset: int, error: BaseException) -> None:
        """CPython calls this in each frame that the exception reaches, the innermost first."""
        kernel = self._kernel
        if not kernel.controls() or kernel.frozen or kernel.ending or RaisedAt.of(error):
            return
        frame = sys._getframe(1)
        place = (
            kernel.strand_of_caller().index,
            type(error).__name__,
            code.co_qualname,
            frame.f_lineno,
        )
        self._seen[place] += 1
        at = RaisedAt(*place, self._seen[place])
        # Keeping the exceptions themselves would keep all that their frames hold.
        error.__dict__[_MARK] = at
        self._on_raise(at, frame, error)
