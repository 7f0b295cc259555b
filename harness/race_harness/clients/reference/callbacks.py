"""The user's callback: one event after the other, on a thread of its own."""

import contextlib
import threading

from race_harness.clients import OnEvent, SeenEvent
from race_harness.clients.reference.events import (
    LAST_RETRY_S,
    ClosedError,
    EventLog,
    UnreachableError,
)
from race_harness.clients.reference.http import Event


class Callbacks:
    """Gives each event of the log to the callback once, in the log's order.

    Reading goes on meanwhile, however slow the callback is.
    """

    def __init__(self, log: EventLog, on_event: OnEvent) -> None:
        self.given = 0
        """How many events of the log the callback is through with."""
        self._log = log
        self._on_event = on_event
        self._thread = threading.Thread(target=self._keep_giving, name="callbacks", daemon=True)
        self._thread.start()

    def _keep_giving(self) -> None:
        while self._more():
            self._give(self._log.events[self.given])
            self.given += 1
            self._log.tell()

    def _more(self) -> bool:
        while True:
            try:
                return self._log.wait(lambda: len(self._log.events) > self.given)
            except UnreachableError:
                # Whoever waits for a run is told; here reading may yet succeed.
                self._log.pause(LAST_RETRY_S)
            except ClosedError:
                return False

    def _give(self, event: Event) -> None:
        # What goes wrong in there is the user's own and must harm nobody else.
        with contextlib.suppress(Exception):
            self._on_event(SeenEvent(event["id"], event["kind"], event.get("tool_name")))
