"""The wall clock of the server's machine, by which events are stamped, and which may be set."""

from collections.abc import Callable
from typing import Final

from race_harness.model.schedule import ServerTiming
from race_harness.model.trace import Happening, Trace

STEPPED: Final = ("server", "clock-stepped")
"""Lane and name of the happening by which it learns that it has been set."""


class WallClock:
    """`read_us` gives microseconds as they are where nobody sets the clock. It survives the
    server's process, as the machine does."""

    def __init__(self, timing: ServerTiming, trace: Trace, read_us: Callable[[], int]) -> None:
        self._resolution_us = round(timing.clock_ms * 1000)
        self._read_us = read_us
        self._last_us = -1
        self._steps: list[tuple[int, int]] = []
        """When, in nanoseconds of the trial, and by how many microseconds."""
        if any(event.what == "clock-step" for event in timing.process):
            trace.listeners.append(self._hear)

    def stamp_us(self) -> int:
        """Microseconds, for an event. None gets those of another, unless the clock is coarse or
        was set back."""
        if self._resolution_us:
            now_us = self._read_us() + self.ahead_us()
            return now_us - now_us % self._resolution_us
        # In virtual time much happens at one instant; a real clock tells events apart.
        self._last_us = max(self._read_us(), self._last_us + 1)
        return self._last_us + self.ahead_us()

    def ahead_us(self, at_ns: float = float("inf")) -> int:
        """By how much it had been set forward at an instant of the trial, in all; or is by now."""
        return sum(by_us for stepped_ns, by_us in self._steps if stepped_ns <= at_ns)

    def _hear(self, happening: Happening) -> None:
        if (happening.lane, happening.what) == STEPPED:
            self._steps.append((happening.at_ns, round(happening.detail["by_ms"] * 1000)))
