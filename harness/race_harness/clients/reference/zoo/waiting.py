"""Faults in how run() finds the end of its run."""

import time
from collections.abc import Callable
from typing import Any

from race_harness.clients import OnEvent
from race_harness.clients.reference.client import ENDS, Call, ReferenceClient
from race_harness.clients.reference.http import Event
from race_harness.clients.reference.zoo.hearing import (
    POLL_S,
    BellOnlyLog,
    HearingClient,
    LivelyDoorbell,
    PollingClient,
    status_of,
)


class AcceptedIsBegun(ReferenceClient):
    """Believes that an accepted run will begin, whatever happens to the server, and waits for that
    for ever.

    Source: releases, which ask once; message queues, where "accepted is not processed".
    """

    silence_s = None

    def _broken(self, call: Call) -> bool:
        return False


class FirstPoll(PollingClient):
    """Returns on the first poll that shows an end, without reading what led to it.

    Source: the root cause that pull request #1832 names; releases up to 1.11.0.
    """

    def _await_end(self, call: Call) -> str:
        if self._beginning(call) is None:
            return super()._await_end(call)
        while (status := self._poll()) not in ENDS and self._log.last_status[1] == "running":
            self._log.pause(0.7 * POLL_S)
        return str(status) if status in ENDS else super()._await_end(call)


class IdlePoll(PollingClient):
    """Treats `idle`, polled before the server's run has begun, as its end.

    Source: pull request #1832 first counted `idle` as terminal, and its review removed it; 1.10.0
    returns on it too.
    """

    def _await_beginning(self, call: Call) -> None:
        self._log.pause(POLL_S / 4)
        if self._poll() == "idle":
            call.ended_before = len(self._log.events)
        else:
            super()._await_beginning(call)


class UnreadFallback(PollingClient):
    """If no frame comes, returns after three polls that show an end, and reads nothing.

    Source: pull request #1832, whose fallback is right only because it reconciles; its reviewers
    asked whether three polls were enough.
    """

    event_log = BellOnlyLog
    doorbell = LivelyDoorbell

    def _await_beginning(self, call: Call) -> None:
        pass

    def _await_end(self, call: Call) -> str:
        def ended() -> bool:
            return self._beginning(call) is not None and self._log.last_status[1] != "running"

        polled: list[str] = []
        running = call.status_before == "idle"
        while True:
            if call.accepted and call.status_before == "finished":
                super()._await_beginning(call)
                return super()._await_end(call)
            if self._log.wait(ended, POLL_S) and self._stays(call, self._log.last_status):
                return self._end(call)
            status = self._poll() or "unknown"
            # The status of an earlier run does not last long.
            running = running or status == "running" or len(polled) > 4
            polled.append(status)
            if running and len(polled) > 2 and set(polled[-3:]) <= ENDS:
                return status


class FrameOnly(HearingClient):
    """Waits for the frame of a final status, and has no fallback.

    Source: pull request #1832 before the fallback; "If WS disconnects and reconnects during a run,
    events during the gap are lost", says its review.
    """

    _end_heard = False

    def _hear(self, event: Event) -> None:
        if event.get("key") == "execution_status" and event["value"] in ENDS:
            self._end_heard = True

    def _prepare(self, call: Call) -> None:
        super()._prepare(call)
        self._end_heard = False

    def _await_end(self, call: Call) -> str:
        if self._beginning(call) is not None:
            self._log.wait(lambda: self._end_heard)
        return super()._await_end(call)


class NoDrain(HearingClient):
    """Queues final statuses from frames; each run takes one, and none is dropped before a run, so
    that one that is left over ends the next run at once.

    Source: the review of pull request #1832, under "Queue Draining Race Condition".
    """

    _left_over = False

    def __init__(self, url: str, on_event: OnEvent, *more: Any, **options: Any) -> None:
        self._ends_heard: list[str] = []
        super().__init__(url, on_event, *more, **options)

    def _hear(self, event: Event) -> None:
        if event.get("key") == "execution_status" and event["value"] in ENDS:
            self._ends_heard.append(event["value"])

    def _prepare(self, call: Call) -> None:
        super()._prepare(call)
        self._left_over = bool(self._ends_heard)

    def _await_beginning(self, call: Call) -> None:
        if self._left_over:
            call.ended_before = len(self._log.events)
        else:
            super()._await_beginning(call)

    def _await_end(self, call: Call) -> str:
        status = super()._await_end(call)
        self._log.wait(lambda: bool(self._ends_heard), 3)
        del self._ends_heard[:1]
        return status


class ArmedLate(HearingClient):
    """Listens for the snapshot after a run only once `POST /run` is answered; it misses one that
    came before, and the fallback takes 30 s.

    Source: 1.58.0, where an answer that is slow by 0.3 s is enough.
    """

    _armed = _snapshot = False

    def _hear(self, event: Event) -> None:
        if self._armed and event.get("key") == "full_state" and status_of(event) != "running":
            self._snapshot = True

    def _ask_for_run(self, call: Call) -> None:
        self._armed = self._snapshot = False
        super()._ask_for_run(call)
        self._armed = True

    def _await_end(self, call: Call) -> str:
        if self._beginning(call) is not None:
            self._log.wait(lambda: self._snapshot, 30)
        return super()._await_end(call)


class GreetingEndsRun(HearingClient):
    """Treats any snapshot that does not say `running` as the one after its run, even one that
    greets a new connection.

    Source: 1.58.0, where a socket cut at the call of run() ends it early.
    """

    _armed = _snapshot = False

    def _hear(self, event: Event) -> None:
        if self._armed and event.get("key") == "full_state" and status_of(event) != "running":
            self._snapshot = True

    def _ask_for_run(self, call: Call) -> None:
        self._snapshot, self._armed = False, True
        super()._ask_for_run(call)

    def _await_beginning(self, call: Call) -> None:
        self._log.wait(lambda: self._snapshot or self._beginning(call) is not None)

    def _await_end(self, call: Call) -> str:
        begun = self._beginning(call) is not None
        if begun:
            self._log.wait(lambda: self._snapshot or self._log.last_status[1] in ENDS)
        if begun and self._snapshot:
            self._log.sync()
            return self._end(call)
        return super()._await_end(call)


class FirstFinished(HearingClient):
    """Treats the first `finished` as the end, although a stop hook takes it back.

    Source: releases before 1.25.0; "stop hooks can still revert it", says the code since.
    """

    def _await_end(self, call: Call) -> str:
        if self._beginning(call) is None:
            return super()._await_end(call)
        self._log.wait(lambda: bool(self._statuses(call) & ENDS))
        self._take_turns()
        return self._end(call)


class Overshoot(HearingClient):
    """Checks the deadline only between two waits of a second.

    Source: the review of pull request #1832, under "Timeout Edge Case".
    """

    def _wait(self, condition: Callable[[], bool], timeout_s: float | None) -> bool:
        began = time.monotonic()
        while timeout_s is None or time.monotonic() - began < timeout_s:
            if super()._wait(condition, POLL_S):
                return True
        return False


class FailedPollEnds(PollingClient):
    """Treats a poll that fails as the end, as if it showed that nothing runs.

    Source: a classic, an error swallowed into a default.
    """

    def _await_end(self, call: Call) -> str:
        while self._log.last_status[1] == "running":
            self._log.pause(POLL_S / 10)
            if self._poll() is None:
                return "finished"
        return super()._await_end(call)


class SilentError(HearingClient):
    """Learns of a run's failure only from the frame: if that is lost, run() returns as if all were
    well.

    Source: pull request #1832 keeps polling "as a health check for ERROR/STUCK states"; this is
    the design without it.
    """

    _failed = False

    def _hear(self, event: Event) -> None:
        if event.get("key") == "execution_status" and event["value"] in ("error", "stuck"):
            self._failed = True

    def _prepare(self, call: Call) -> None:
        super()._prepare(call)
        self._failed = False

    def _failure(self, status: str) -> Exception | None:
        if status in ("error", "stuck"):
            self._log.wait(lambda: self._failed, 1)
        return super()._failure(status) if self._failed else None


class RevivedUnnoticed(PollingClient):
    """Treats `idle` after `finished` as the end, although a message has revived the run.

    Source: the server's own order (`send_message` and the loop of `run` in local_conversation.py).
    """

    def _stays(self, call: Call, last: tuple[int, str]) -> bool:
        return True if last[1] == "idle" else super()._stays(call, last)


class TrustsSilence(ReferenceClient):
    """Takes it that a run whose end nobody tells is going on: where the disk of the server's
    machine is full, nobody ever does.

    Source: `run()` of 1.58.2, which polls a status that is no longer written.
    """

    silence_s = None
