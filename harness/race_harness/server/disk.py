"""The disk of the server's machine, which may be full for a while."""

from typing import Final

from race_harness.model.schedule import ServerTiming
from race_harness.model.trace import Happening, Trace

FILLED: Final = ("server", "disk-filled")
FREED: Final = ("server", "disk-freed")
"""Lane and name of the happenings that say so."""


class Disk:
    """Whether the disk is full. It outlives the server's process, as the machine does."""

    def __init__(self, timing: ServerTiming, trace: Trace) -> None:
        self.full = False
        self.may_fill = any(event.what == "disk-full" for event in timing.process)
        if self.may_fill:
            # A process that takes another one's place is given what has happened before it.
            for happening in trace.happenings:
                self._hear(happening)
            trace.listeners.append(self._hear)

    def _hear(self, happening: Happening) -> None:
        if (happening.lane, happening.what) in (FILLED, FREED):
            self.full = (happening.lane, happening.what) == FILLED


class StorageError(Exception):
    """The disk is full, or holds an empty file, so the fake server cannot do what it was asked."""

    def __init__(self, code: str, detail: str) -> None:
        """`code`: the class of the exception that the real server raises."""
        super().__init__(code, detail)
        self.code = code
        self.detail = detail


NO_SPACE: Final = ("OSError", "[Errno 28] No space left on device")
EMPTY_FILE: Final = ("FileNotFoundError", "Missing event file")
