"""Where to stop a trial for the debugger: the grammar of `--at`.

12.5            the first line of the source at that time of the story, or after it, in ms
FILE.py:12      before that line runs
FUNCTION: TEXT  before the line of that text in that function runs; TEXT alone will do
...#3           the third time
"""

import re
from dataclasses import dataclass
from pathlib import PurePath

from race_harness.model.errors import UsageError
from race_harness.sim.source import Function

_SHOWN_MS = 0.05
"""The story shows tenths of a millisecond, rounded."""


@dataclass(frozen=True)
class StopAt:
    """A moment: the text as written, and what it means."""

    says: str
    nth: int = 1
    ms: float | None = None
    file: str | None = None
    number: int = 0
    text: str = ""

    @staticmethod
    def parse(written: str) -> "StopAt":
        """Raises UsageError: the text has no such meaning."""
        moment, nth = written.strip(), 1
        if counted := re.fullmatch(r"(.*\S)\s*#(\d+)", moment):
            moment, nth = counted[1], int(counted[2])
        if timed := re.fullmatch(r"(\d+(?:\.\d+)?)\s*(?:ms)?", moment):
            return StopAt(written, nth, ms=float(timed[1]))
        if placed := re.fullmatch(r"(.+\.py):(\d+)", moment):
            return StopAt(written, nth, file=placed[1], number=int(placed[2]))
        if not moment or nth < 1:
            raise UsageError(
                f"--at {written!r} is no moment: write milliseconds of the story, FILE.py:LINE or "
                "'FUNCTION: TEXT', and #N for the Nth time"
            )
        return StopAt(written, nth, text=moment)

    def is_at(self, function: Function, number: int, at_ms: float) -> bool:
        """Whether it means this line, at that many milliseconds since the test was called."""
        if self.ms is not None:
            return at_ms >= self.ms - _SHOWN_MS
        return self.names(function, number)

    def names(self, function: Function, number: int) -> bool:
        """Whether it means this line, whenever that runs."""
        if self.file is not None:
            path, wanted = PurePath(function.code.co_filename), PurePath(self.file)
            ends = path == wanted or path.parts[-len(wanted.parts) :] == wanted.parts
            return number == self.number and ends
        line = function.lines.get(number, "")
        names = (function.name, function.name.rpartition(".")[2])
        return self.text in (line, *(f"{name}: {line}" for name in names))
