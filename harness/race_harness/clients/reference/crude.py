"""Crude bugs, which nearly any trial shows. The oracle's own tests use them.

Faults that only a search finds are in `zoo`.
"""

import time

from race_harness.clients.reference.callbacks import Callbacks
from race_harness.clients.reference.client import Call, ReferenceClient
from race_harness.clients.reference.doorbell import Doorbell
from race_harness.clients.reference.events import EventLog
from race_harness.clients.reference.http import Event

POLL_S = 0.2


class OneConnection(Doorbell):
    def _connects_again(self, code: int | None) -> bool:
        return False


class NoHeartbeat(EventLog):
    def _heartbeat_s(self) -> float | None:
        return None


class Poll(ReferenceClient):
    """run() returns on the first poll that says finished, as 1.10.0 does; and it reads events only
    when its single socket gets a frame."""

    doorbell = OneConnection
    event_log = NoHeartbeat

    def _await_beginning(self, call: Call) -> None:
        pass

    def _await_end(self, call: Call) -> str:
        while self._rest.status() != "finished":
            self._log.pause(POLL_S)
        return "finished"

    def _await_callbacks(self) -> None:
        pass


class Eager(Poll):
    """run() returns as soon as the server has accepted it."""

    def _await_end(self, call: Call) -> str:
        return "finished"


class Deaf(ReferenceClient):
    """Reads events only when its single socket gets a frame, although run() waits correctly."""

    doorbell = OneConnection
    event_log = NoHeartbeat

    def _await_beginning(self, call: Call) -> None:
        pass

    def _await_end(self, call: Call) -> str:
        statuses = [self._rest.status()]
        while statuses[-2:] != ["finished"] * 2:
            self._log.pause(1)
            statuses.append(self._rest.status())
        return "finished"


class Endless(ReferenceClient):
    """run() waits for a status that never comes."""

    def _stays(self, call: Call, last: tuple[int, str]) -> bool:
        self._log.wait(lambda: self._log.last_status[1] == "content")
        return True


class Deadlock(ReferenceClient):
    """run() waits for itself."""

    def _await_end(self, call: Call) -> str:
        with self._asking:
            self._asking.acquire()
        return "finished"


class Slow(ReferenceClient):
    """run() waits 30 s more than it needs to."""

    def _await_callbacks(self) -> None:
        time.sleep(30)


class Nervous(ReferenceClient):
    """run() raises on the first poll that still says running."""

    def _await_end(self, call: Call) -> str:
        if self._rest.status() == "running":
            raise RuntimeError("still running")
        return super()._await_end(call)


class Cheerful(ReferenceClient):
    """run() returns normally when the run has failed."""

    def _failure(self, status: str) -> Exception | None:
        return None


class MuteCallbacks(Callbacks):
    def _give(self, event: Event) -> None:
        if event["kind"] != "ObservationEvent":
            super()._give(event)


class Mute(ReferenceClient):
    """Observations never reach the callback."""

    callbacks = MuteCallbacks


class StutteringCallbacks(Callbacks):
    def _give(self, event: Event) -> None:
        super()._give(event)
        if event["kind"] == "ObservationEvent":
            super()._give(event)


class Stutter(ReferenceClient):
    """Observations reach the callback twice."""

    callbacks = StutteringCallbacks


class Reversed(ReferenceClient):
    """state.events begins with its newest event."""

    def visible(self) -> list[str]:
        return super().visible()[::-1]


BUGS: dict[str, type[ReferenceClient]] = {
    "poll": Poll,
    "eager": Eager,
    "deaf": Deaf,
    "endless": Endless,
    "deadlock": Deadlock,
    "slow": Slow,
    "nervous": Nervous,
    "cheerful": Cheerful,
    "mute": Mute,
    "stutter": Stutter,
    "reversed": Reversed,
}
"""The bugs by the name after `reference:`."""
