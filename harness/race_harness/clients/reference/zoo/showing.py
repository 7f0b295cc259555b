"""Faults in what is shown of the state, and of one's own message."""

from collections.abc import Callable, Mapping

from race_harness.clients.reference.client import ReferenceClient
from race_harness.clients.reference.events import STATUS
from race_harness.clients.reference.http import Event
from race_harness.clients.reference.zoo.hearing import HearingClient


class StateByFrame(HearingClient):
    """Shows the status of the last frame that told one.

    Source: the released client, whose state is what frames have told it; a classic, the cache that
    nobody fills again after a gap.
    """

    _told = "idle"

    def _hear(self, event: Event) -> None:
        if event.get("key") == STATUS:
            self._told = event["value"]

    def state(self) -> Mapping[str, Callable[[], object]]:
        return {**super().state(), "execution_status": lambda: self._told}


class StateOfBefore(ReferenceClient):
    """Shows what the conversation has cost as of the message.

    Source: a classic, the cache without an end.
    """

    _cost: object = None

    def send_message(self, text: str) -> None:
        super().send_message(text)
        self._cost = super().state()["cost"]()

    def state(self) -> Mapping[str, Callable[[], object]]:
        return {**super().state(), "cost": lambda: self._cost}


class OwnMessageUnread(ReferenceClient):
    """Leaves it to the next frame to bring the message that it has sent.

    Source: issue #1737 of the SDK; the released client's message comes over the socket.
    """

    def _seen(self) -> None:
        pass
