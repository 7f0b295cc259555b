"""Faults in the copy of the log, and in what the callback gets."""

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from race_harness.clients import OnEvent, SeenEvent
from race_harness.clients.reference.callbacks import Callbacks
from race_harness.clients.reference.client import ENDS, Call, ReferenceClient
from race_harness.clients.reference.doorbell import Doorbell
from race_harness.clients.reference.events import EventLog
from race_harness.clients.reference.http import Event, LostError, Rest
from race_harness.clients.reference.zoo.hearing import (
    POLL_S,
    BellOnlyLog,
    HearingClient,
    PollingClient,
    TwoReadersLog,
)


class StrictBoundaryLog(EventLog):
    def _read(self) -> None:
        page_id = None
        last = self.events[-1]["timestamp"] if self.events else ""
        while True:
            items, page_id = self._rest.page(page_id, timestamp__gte=last or "1970-01-01")
            self._take([event for event in items if event["timestamp"] > last])
            if page_id is None:
                return


class StrictBoundary(ReferenceClient):
    """Reads on from the last event's time, exclusively: it loses events of the same instant.

    Source: pull request #1832, `reconcile_recent` with `timestamp__gte`; a classic, > for >=.
    """

    silence_s = None

    event_log = StrictBoundaryLog


class SinceNewestLog(EventLog):
    def _read(self) -> None:
        page_id = None
        newest = max((event["timestamp"] for event in self.events), default="1970-01-01")
        while True:
            known = {event["id"] for event in self.events}
            items, page_id = self._rest.page(page_id, timestamp__gte=newest)
            self._take([event for event in items if event["id"] not in known])
            if page_id is None:
                return


class SinceNewest(ReferenceClient):
    """Asks only for events that are not older than its newest one: if the clock is set back, later
    events have older timestamps, and it never gets them.

    Source: pull request #1832, `reconcile_recent` with `timestamp__gte`; a classic, wall-clock
    time for order.
    """

    silence_s = None

    event_log = SinceNewestLog


class SinceLastLookLog(EventLog):
    def __init__(self, rest: Rest) -> None:
        self._looked = datetime(1970, 1, 1)
        super().__init__(rest)

    def _read(self) -> None:
        page_id, since = None, (self._looked - timedelta(seconds=1)).isoformat()
        looked = datetime.now(UTC).replace(tzinfo=None)
        while True:
            known = {event["id"] for event in self.events}
            items, page_id = self._rest.page(page_id, timestamp__gte=since)
            self._take([event for event in items if event["id"] not in known])
            if page_id is None:
                break
        self._looked = looked


class SinceLastLook(ReferenceClient):
    """Asks only for events from the second before it last looked, by its own clock: if the
    server's machine stood still and its clock with it, later events have older timestamps.

    Source: the `after_timestamp` of a subscription (sockets.py), which any client may take from
    its own clock; a classic, two clocks taken for one.
    """

    silence_s = None

    event_log = SinceLastLookLog


class FrameFedLog(EventLog):
    def __init__(self, rest: Rest) -> None:
        self._adding = threading.Lock()
        super().__init__(rest)

    def _take(self, items: list[Event]) -> None:
        with self._adding:
            known = {event["id"] for event in self.events}
            super()._take([event for event in items if event["id"] not in known])

    def feed(self, event: Event) -> None:
        self._take([event])


class FrameIsLast(HearingClient):
    """Adds each frame's event at once, and treats the frame of a final status as the last of its
    run, after which it reads nothing more.

    Source: pull request #1832, whose review asks whether "the terminal status is streamed back
    FIRST", and whose answer is that frames come in order.
    """

    event_log = FrameFedLog

    def _hear(self, event: Event) -> None:
        if isinstance(self._log, FrameFedLog) and event.get("key") != "full_state":
            self._log.feed(event)

    def _await_end(self, call: Call) -> str:
        if self._beginning(call) is None:
            return super()._await_end(call)
        self._log.wait(lambda: self._log.last_status[1] in ENDS)
        return self._end(call)


class SwallowedPageLog(BellOnlyLog):
    def _read(self) -> None:
        try:
            super()._read()
        except LostError:
            return


class SwallowedPage(PollingClient):
    """Reads the log once, when a poll has shown the end, and treats a page that fails as the last.

    Source: 1.58.0's `reconcile`: "Return partial results rather than failing completely".
    """

    event_log = SwallowedPageLog

    def _heard(self, frame: str) -> None:
        pass

    def _await_end(self, call: Call) -> str:
        if call.status_before == "finished":
            return super()._await_end(call)
        polls, may_be_over = 0, call.status_before == "idle"
        while True:
            self._log.pause(POLL_S / 5)
            status, polls = self._poll(), polls + 1
            # The status of an earlier run does not last long.
            may_be_over = may_be_over or status == "running" or polls > 15
            if may_be_over and status in ENDS:
                break
        self._log.sync()
        return str(status)

    def _await_beginning(self, call: Call) -> None:
        if call.status_before == "finished":
            super()._await_beginning(call)


class OnePageLog(EventLog):
    def _read(self) -> None:
        items, _next_page_id = self._rest.page(None)
        self._take(items[len(self.events) :])


class OnePage(ReferenceClient):
    """Reads the log from the start each time, but only its first page.

    Source: a classic; pull request #1832 says that reconciling "fetches ALL events".
    """

    silence_s = None

    event_log = OnePageLog


class LostUpdateLog(TwoReadersLog):
    def __init__(self, rest: Rest) -> None:
        self._known: set[str] = set()
        self._cursor: str | None = None
        super().__init__(rest)

    def _read(self) -> None:
        page_id = self._cursor
        while True:
            events = list(self.events)
            there = {event["id"] for event in events}
            items, next_page_id = self._rest.page(page_id)
            # This overwrites what another reader has added meanwhile.
            self.events = events + [event for event in items if event["id"] not in there]
            self.last_status = (self.statuses() or [(-1, "idle")])[-1]
            if items and items[-1]["id"] not in self._known:
                self._cursor = items[-1]["id"]
                self._known |= {event["id"] for event in items}
            self.tell()
            if next_page_id is None:
                return
            page_id = next_page_id


class LostUpdate(ReferenceClient):
    """While run() waits, it reads the log as well as the reading thread does, and each writes back
    a copy that it made before its request.

    Source: a classic, the lost update.
    """

    event_log = LostUpdateLog

    def _await_end(self, call: Call) -> str:
        while self._log.last_status[1] == "running":
            self._log.sync()
            self._log.pause(0.1)
        return super()._await_end(call)


class GivingLog(TwoReadersLog):
    on_event: OnEvent | None = None

    def _take(self, items: list[Event]) -> None:
        known = {event["id"] for event in self.events}
        for event in items:
            if event["id"] not in known:
                self._give(event)
                if all(event["id"] != other["id"] for other in self.events):
                    super()._take([event])

    def _give(self, event: Event) -> None:
        if self.on_event is not None:
            try:
                self.on_event(SeenEvent(event["id"], event["kind"], event.get("tool_name")))
            except Exception:
                return


class ReadersCallbacks(Callbacks):
    """Leaves the callback to the thread that has read."""

    def __init__(self, log: EventLog, on_event: OnEvent) -> None:
        self.given = 1_000_000
        assert isinstance(log, GivingLog)
        log.on_event = on_event


class Twice(ReferenceClient):
    """Checks whether an event is known, gives it to the callback, and only then adds it: two
    threads that read at once both give it.

    Source: a classic, check-then-act; the released client calls the user before its own cache.
    """

    event_log = GivingLog
    callbacks = ReadersCallbacks


class FragileCallbacks(Callbacks):
    _alive = True

    def _more(self) -> bool:
        return self._alive and super()._more()

    def _give(self, event: Event) -> None:
        try:
            self._on_event(SeenEvent(event["id"], event["kind"], event.get("tool_name")))
        except Exception:
            self._alive = False
            self.given = 1_000_000


class DeadCallback(ReferenceClient):
    """A callback that raises ends the thread that calls it, so it gets nothing more.

    Source: a classic; the review of pull request #1832 stresses what depends on this one thread.
    """

    callbacks = FragileCallbacks


class SilentGapLog(EventLog):
    reconnected = False
    silent = frozenset[str]()

    def _take(self, items: list[Event]) -> None:
        if self.reconnected:
            self.reconnected = False
            known = {event["id"] for event in self.events}
            self.silent |= {event["id"] for event in items} - known
        super()._take(items)


class SilentGapCallbacks(Callbacks):
    def _give(self, event: Event) -> None:
        log = self._log
        if not (isinstance(log, SilentGapLog) and event["id"] in log.silent):
            super()._give(event)


class SilentGapDoorbell(Doorbell):
    log: SilentGapLog | None = None

    def _greeted(self, frame: str, *, again: bool) -> None:
        if again and self.log is not None:
            self.log.reconnected = True
        super()._greeted(frame, again=again)


class SilentGap(ReferenceClient):
    """Events that were missed without a socket get into `events`, but never to the callback.

    Source: releases 1.11.1 to 1.55; from 1.56.0 missed events are replayed to callbacks.
    """

    event_log = SilentGapLog
    callbacks = SilentGapCallbacks
    doorbell = SilentGapDoorbell

    def __init__(self, url: str, on_event: OnEvent, *more: Any, **options: Any) -> None:
        super().__init__(url, on_event, *more, **options)
        if isinstance(self._doorbell, SilentGapDoorbell) and isinstance(self._log, SilentGapLog):
            self._doorbell.log = self._log


KINDS = frozenset(
    (
        *("SystemPromptEvent", "MessageEvent", "ActionEvent", "ObservationEvent", "PauseEvent"),
        *("AgentErrorEvent", "ConversationErrorEvent", "UserRejectObservation", "InterruptEvent"),
        *("ConversationStateUpdateEvent", "StreamingDeltaEvent"),
    )
)
OF_OBSERVATIONS = frozenset(
    (
        *("kind", "id", "timestamp", "source", "observation"),
        *("action_id", "tool_name", "tool_call_id"),
    )
)


class StrictLog(EventLog):
    def _take(self, items: list[Event]) -> None:
        for event in items:
            more = event["kind"] == "ObservationEvent" and event.keys() - OF_OBSERVATIONS
            if more or event["kind"] not in KINDS:
                raise LostError("an event that nobody knows")
        super()._take(items)


class StrictReader(ReferenceClient):
    """Refuses a page with an unknown kind of event, or an unknown field: a server that is updated
    first stops it.

    Source: upstream's models, which forbid unknown fields (event/base.py, `EventBase`).
    """

    event_log = StrictLog


class DeafLog(EventLog):
    _deaf = False

    def _read(self) -> None:
        if self._deaf:
            return
        try:
            super()._read()
        except LostError as error:
            self._deaf = isinstance(error.__cause__, httpx.TimeoutException)
            raise


class TimeoutEndsReading(ReferenceClient):
    """Retries after connections that fail, but not after an answer that is late: the reading
    thread has no handler for that.

    Source: a classic, `except ConnectError` around a loop that may also raise ReadTimeout.
    """

    event_log = DeafLog
