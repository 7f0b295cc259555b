"""Faults in how the state, and the caller's own message, are shown."""

from collections.abc import Callable, Mapping

from race_harness.clients.reference.client import ReferenceClient
from race_harness.clients.reference.events import STATUS
from race_harness.clients.reference.http import Event
from race_harness.clients.reference.zoo.hearing import HearingClient


class StateByFrame(HearingClient):
    """Shows the status of the last frame that had one.

    Source: the released client, whose state comes from frames; a classic, the cache that nobody
    refills after a gap.
    """

    _told = "idle"

    def _hear(self, event: Event) -> None:
        if event.get("key") == STATUS:
            self._told = event["value"]

    def state(self) -> Mapping[str, Callable[[], object]]:
        return {**super().state(), "execution_status": lambda: self._told}


class StateOfBefore(ReferenceClient):
    """Shows what the conversation had cost when the last message was sent.

    Source: a classic, the cache that never expires.
    """

    _cost: object = None

    def send_message(self, text: str) -> None:
        super().send_message(text)
        self._cost = super().state()["cost"]()

    def state(self) -> Mapping[str, Callable[[], object]]:
        return {**super().state(), "cost": lambda: self._cost}


class OwnMessageUnread(ReferenceClient):
    """Shows the message that it has sent only after the next frame.

    Source: issue #1737 of the SDK; the released client's message comes over the socket.
    """

    def _seen(self) -> None:
        pass
