"""What several faults share: clients that read frames, poll, or depend on the socket.

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
    """Reads the frames, too."""

    def _heard(self, frame: str) -> None:
        with contextlib.suppress(ValueError):  # Words of a gateway's own.
            self._hear(json.loads(frame))
        super()._heard(frame)

    def _hear(self, event: Event) -> None:
        """Called on the socket's thread, for each frame."""


class PollingClient(ReferenceClient):
    """Asks for the status."""

    def _poll(self) -> str | None:
        """None where the answer is lost."""
        try:
            return self._rest.status()
        except LostError:
            return None


class BellOnlyLog(EventLog):
    """Is read only when the bell rings. By itself a fault: `trusts-socket`."""

    def _heartbeat_s(self) -> float | None:
        return None


class LivelyDoorbell(Doorbell):
    """Makes up for it: a dead connection is noticed soon, and no close is fatal."""

    keep_alive_s = 1.0

    def _connects_again(self, code: int | None) -> bool:
        return True


class TwoReadersLog(EventLog):
    """Whoever needs the log read reads it, besides the thread that is there for it."""

    def sync(self) -> None:
        while True:
            self.wait(lambda: True)  # Raises when closed.
            try:
                return self._read()
            except LostError:
                self.pause(0.1)


def status_of(event: Event) -> str | None:
    """What a frame says of the conversation's status, by itself or in a full state."""
    if event.get("key") == "full_state":
        return str(event["value"]["execution_status"])
    return str(event["value"]) if event.get("key") == "execution_status" else None
