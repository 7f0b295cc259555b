"""The wall clock of the server's machine, which stamps events and which a schedule may set."""

from collections.abc import Callable
from typing import Final

from race_harness.model.schedule import ServerTiming
from race_harness.model.trace import Happening, Trace
from race_harness.network.pipe import MILLISECOND


class OwnClock:
    """The time of a trial, as a clock of the server's machine has it: it is behind after the
    machine has stood still. Times are nanoseconds."""

    def __init__(self, timing: ServerTiming, trace: Trace) -> None:
        self._trace = trace
        self._stood: list[tuple[int, int]] = []
        """Until when in the trial, and for how long."""
        if any(event.clock == "stands" for event in timing.process):
            trace.listeners.append(self._hear)

    def now_ns(self) -> int:
        return self.at_ns(self._trace.now_ns())

    def at_ns(self, at_ns: int) -> int:
        """What it said at an instant of the trial."""
        return at_ns - sum(stood_ns for until_ns, stood_ns in self._stood if until_ns <= at_ns)

    def instant_ns(self, own_ns: int) -> int:
        """The instant of the trial at which it said so, the latest of several."""
        for until_ns, stood_ns in self._stood:
            own_ns += stood_ns if until_ns - stood_ns <= own_ns else 0
        return own_ns

    def _hear(self, happening: Happening) -> None:
        if (happening.lane, happening.what) == ("server", "thawed"):
            stood_ms = happening.detail.get("stood_ms", 0.0)
            self._stood.append((happening.at_ns, round(stood_ms * MILLISECOND)))


STEPPED: Final = ("server", "clock-stepped")
"""Lane and name of the happening that tells the clock that it was set."""


class WallClock:
    """A clock that outlives the server's process, as the machine does. `read_us` returns the
    microseconds that it would show if nobody ever set it."""

    def __init__(self, timing: ServerTiming, trace: Trace, read_us: Callable[[], int]) -> None:
        self._resolution_us = round(timing.clock_ms * 1000)
        self._read_us = read_us
        self._last_us = -1
        self._steps: list[tuple[int, int]] = []
        """When it was set, in trial nanoseconds, and by how many microseconds."""
        if any(event.what == "clock-step" for event in timing.process):
            for happening in trace.happenings:
                self._hear(happening)
            trace.listeners.append(self._hear)

    def stamp_us(self) -> int:
        """Return the microseconds for an event. No two events get the same, unless the clock is
        coarse or was set back."""
        if self._resolution_us:
            now_us = self._read_us() + self.ahead_us()
            return now_us - now_us % self._resolution_us
        # In virtual time much happens at one instant, but a real clock tells events apart.
        self._last_us = max(self._read_us(), self._last_us + 1)
        return self._last_us + self.ahead_us()

    def ahead_us(self, at_ns: float = float("inf")) -> int:
        """Return by how much the clock had been set forward in all at that instant of the trial;
        without `at_ns`, by now."""
        return sum(by_us for stepped_ns, by_us in self._steps if stepped_ns <= at_ns)

    def _hear(self, happening: Happening) -> None:
        if (happening.lane, happening.what) == STEPPED:
            self._steps.append((happening.at_ns, round(happening.detail["by_ms"] * 1000)))
