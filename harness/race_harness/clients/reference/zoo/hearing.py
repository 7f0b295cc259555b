"""Base classes of several faults: clients that read frames, poll, or depend on the socket.

None of these is a fault by itself, unless it says so.
"""

import contextlib
import json

from race_harness.clients.reference.client import ReferenceClient
from race_harness.clients.reference.doorbell import Doorbell
from race_harness.clients.reference.events import EventLog
from race_harness.clients.reference.http import Event, LostError

POLL_S = 1.0


class HearingClient(ReferenceClient):
    """Also reads the frames."""

    def _heard(self, frame: str) -> None:
        with contextlib.suppress(ValueError):  # A gateway's own text is no JSON.
            self._hear(json.loads(frame))
        super()._heard(frame)

    def _hear(self, event: Event) -> None:
        """Called on the socket's thread, for each frame."""


class PollingClient(ReferenceClient):
    """Polls the status."""

    def _poll(self) -> str | None:
        """Return the status; None if the answer is lost."""
        try:
            return self._rest.status()
        except LostError:
            return None


class BellOnlyLog(EventLog):
    """Reads only when the bell rings. This is a fault by itself: `trusts-socket`."""

    def _heartbeat_s(self) -> float | None:
        return None


class LivelyDoorbell(Doorbell):
    """Makes up for `BellOnlyLog`: it soon notices a dead connection, and no close is fatal."""

    keep_alive_s = 1.0

    def _connects_again(self, code: int | None) -> bool:
        return True


class TwoReadersLog(EventLog):
    """Any thread that needs the log reads it, in addition to the reading thread."""

    def sync(self) -> None:
        while True:
            self.wait(lambda: True)  # Raises when closed.
            try:
                return self._read()
            except LostError:
                self.pause(0.1)


def status_of(event: Event) -> str | None:
    """Return the conversation's status from a frame of a status or a full state, else None."""
    if event.get("key") == "full_state":
        return str(event["value"]["execution_status"])
    return str(event["value"]) if event.get("key") == "execution_status" else None
