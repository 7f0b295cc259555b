"""Calls the user's callback with one event after the other, on a separate thread."""

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

    However slow the callback is, reading the log goes on.
    """

    def __init__(self, log: EventLog, on_event: OnEvent) -> None:
        self.given = 0
        """How many events of the log the callback has finished."""
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
                # Those who wait for a run get the error; here reading may still succeed.
                self._log.pause(LAST_RETRY_S)
            except ClosedError:
                return False

    def _give(self, event: Event) -> None:
        # An error in the callback is the user's, and must not stop later calls.
        with contextlib.suppress(Exception):
            self._on_event(SeenEvent(event["id"], event["kind"], event.get("tool_name")))
