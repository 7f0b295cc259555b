"""Applies process events, such as a freeze or a crash, at the moments that the schedule names."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

from race_harness.model.moments import Moments
from race_harness.model.schedule import ProcessEvent
from race_harness.model.trace import Trace
from race_harness.network.pipe import MILLISECOND, Clock


class Life(Protocol):
    """Controls the process of a server. Its methods are called where the network's own code runs,
    so they must not block."""

    def freeze(self) -> None:
        """Stop all its threads until `thaw`."""

    def stand(self, until_ns: int) -> None:
        """Stop the clock of a frozen process, too, until `thaw`, and hold back everything sent to
        it until that instant of the trial."""

    def thaw(self) -> None: ...

    def crash(self) -> None:
        """Kill it without any warning."""

    def start(self) -> None:
        """Start another process in its place, which reports when it is ready."""


class ProcessEvents:
    """Strikes at the moments of the schedule's events."""

    def __init__(
        self, life: Life, clock: Clock, moments: Moments, events: Sequence[ProcessEvent]
    ) -> None:
        self._life = life
        self._clock = clock
        self._frozen_until_ns = 0
        """0: it is not frozen."""
        self._stands_since_ns: int | None = None
        """Since when its clock has been standing. If two freezes overlap and the clock stands in
        one of them, it stands until both have ended."""
        self._full_until_ns = 0
        self._over = self._down = False
        for event in events:
            moments.when(event.at, partial(self._come, event))

    def end(self) -> None:
        """End the events with the trial: a frozen server runs again, and nothing more happens.

        A server that is down stays so.
        """
        self._over = True
        if self._frozen_until_ns:
            self._frozen_until_ns = 0
            self._life.thaw()

    def _come(self, event: ProcessEvent) -> None:
        self._clock.do(partial(self._plan, event))

    def _plan(self, event: ProcessEvent) -> None:
        if event.at.after_ms:
            at_ns = self._clock.now_ns + round(event.at.after_ms * MILLISECOND)
            self._clock.call_at(at_ns, partial(self._strike, event))
        else:
            self._strike(event)

    def _strike(self, event: ProcessEvent) -> None:
        of_machine = event.what in ("clock-step", "disk-full")
        if self._over or (self._down and not of_machine):
            return  # There is no process to which it could happen.
        if event.what == "clock-step":
            # The clock that stamps events hears of it in the trace.
            self._tell("clock-stepped", by_ms=event.by_ms)
        elif event.what == "disk-full":
            self._fill(event)
        elif event.what == "crash":
            self._crash(event)
        else:
            self._freeze(event)

    def _crash(self, event: ProcessEvent) -> None:
        self._down, self._frozen_until_ns, self._stands_since_ns = True, 0, None
        self._tell("crashed", for_ms=event.for_ms)
        self._life.crash()
        until_ns = self._clock.now_ns + round(event.for_ms * MILLISECOND)
        self._clock.call_at(until_ns, self._start)

    def _start(self) -> None:
        if not self._over:
            self._down = False
            self._life.start()

    def _freeze(self, event: ProcessEvent) -> None:
        frozen = bool(self._frozen_until_ns)
        until_ns = self._clock.now_ns + round(event.for_ms * MILLISECOND)
        self._frozen_until_ns = max(until_ns, self._frozen_until_ns)
        stands = {"clock": event.clock} if event.clock == "stands" else {}
        self._tell("frozen", for_ms=event.for_ms, **stands)
        if not frozen:
            self._life.freeze()
        if stands and self._stands_since_ns is None:
            self._stands_since_ns = self._clock.now_ns
        if self._stands_since_ns is not None:
            self._life.stand(self._frozen_until_ns)
        self._clock.call_at(until_ns, self._thaw)

    def _fill(self, event: ProcessEvent) -> None:
        until_ns = self._clock.now_ns + round(event.for_ms * MILLISECOND)
        self._full_until_ns = max(until_ns, self._full_until_ns)
        # Whoever writes hears of it.
        self._tell("disk-filled", for_ms=event.for_ms)
        self._clock.call_at(until_ns, self._free)

    def _free(self) -> None:
        if not self._over and self._clock.now_ns >= self._full_until_ns:
            self._clock.trace.record("server", "disk-freed")

    def _tell(self, what: str, **detail: Any) -> None:
        """Record it later, after the thread in which the moment happened has stopped too."""

        def tell() -> None:
            self._clock.trace.record("server", what, **detail)

        self._clock.call_at(self._clock.now_ns, tell)

    def _thaw(self) -> None:
        # Another freeze may have made it longer.
        if self._frozen_until_ns and self._clock.now_ns >= self._frozen_until_ns:
            self._frozen_until_ns = 0
            told: dict[str, Any] = {}
            if self._stands_since_ns is not None:
                stood_ns = self._clock.now_ns - self._stands_since_ns
                self._stands_since_ns = None
                told["stood_ms"] = stood_ns / MILLISECOND
            self._clock.trace.record("server", "thawed", **told)
            self._life.thaw()


def tell_restarted(trace: Trace, status: str | None) -> None:
    """Record that the server has loaded what it had persisted. `status` is that of its
    conversation now; None: it does not know the conversation any more."""
    trace.record("server", "restarted", status=status)
