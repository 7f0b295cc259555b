"""Faults in the use of the socket, and in what depends on it."""

import json

from race_harness.clients.reference.client import ReferenceClient
from race_harness.clients.reference.events import STATUS, EventLog
from race_harness.clients.reference.zoo.hearing import BellOnlyLog, LivelyDoorbell

SLEEPS_S = 60.0


class TrustsSocket(ReferenceClient):
    """Reads only when a frame comes, so a silently dead connection costs the 40 s of its
    keep-alive.

    Source: a classic, the half-open connection (RFC 9293, section 3.5.1).
    """

    event_log = BellOnlyLog


class SingleConnection(LivelyDoorbell):
    def _connects_again(self, code: int | None) -> bool:
        return False


class NoReconnect(ReferenceClient):
    """Never connects again.

    Source: releases up to 1.34; the review of pull request #1832 asks what happens then.
    """

    silence_s = None

    event_log = BellOnlyLog
    doorbell = SingleConnection


class PoliteDoorbell(LivelyDoorbell):
    def _connects_again(self, code: int | None) -> bool:
        return code not in (1000, 1001)


class GoodbyeIsForever(ReferenceClient):
    """Connects again after failures, but not after a proxy's goodbye, 1000 or 1001, which ends
    `async for` without an error.

    Source: a classic of `websockets`, whose iterator ends normally then.
    """

    silence_s = None

    event_log = BellOnlyLog
    doorbell = PoliteDoorbell


class GapUnreadDoorbell(LivelyDoorbell):
    def _greeted(self, frame: str, *, again: bool) -> None:
        if not again:
            super()._greeted(frame, again=again)


class GapUnread(ReferenceClient):
    """Connects again but reads nothing until the next frame, which never comes if the run has
    ended in between.

    Source: releases 1.35 to 1.55; "missing resubscribe".
    """

    silence_s = None

    event_log = BellOnlyLog
    doorbell = GapUnreadDoorbell


class EasilyDiscouragedDoorbell(LivelyDoorbell):
    def _connects_again(self, code: int | None) -> bool:
        return code is not None


class FirstNoIsFinal(ReferenceClient):
    """Connects again after a socket was closed, but never again after a handshake that failed,
    such as with the 503 of a gateway that is full for a moment.

    Source: a classic, the reconnect that was only ever tried with a server that is up.
    """

    silence_s = None

    event_log = BellOnlyLog
    doorbell = EasilyDiscouragedDoorbell


class EveryFrameIsJson(ReferenceClient):
    """Reads each frame as JSON, and stops listening at the first one that is none.

    Source: a classic, the loop whose `try` is around all of it.
    """

    silence_s = None

    event_log = BellOnlyLog
    _listening = True

    def _heard(self, frame: str) -> None:
        try:
            json.loads(frame)
        except ValueError:
            self._listening = False
        if self._listening:
            super()._heard(frame)


class SleepyLog(EventLog):
    def _heartbeat_s(self) -> float | None:
        return SLEEPS_S


class ListensForStatus(ReferenceClient):
    """Reads the log after frames with a status, and otherwise once a minute: a long run shows none
    of its events until it is over.

    Source: a classic, the progress that nobody tests because the result is right.
    """

    event_log = SleepyLog

    def _heard(self, frame: str) -> None:
        if f'"{STATUS}"' in frame:
            super()._heard(frame)
