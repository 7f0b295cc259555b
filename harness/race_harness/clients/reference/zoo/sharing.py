"""Faults of a client that believes it is alone in its conversation."""

from collections.abc import Callable, Mapping
from typing import Any

from race_harness.clients import OnEvent
from race_harness.clients.reference.client import Call, ReferenceClient
from race_harness.clients.reference.events import EventLog
from race_harness.clients.reference.http import Event


class PausesAreMine(ReferenceClient):
    """Keeps waiting if the conversation was paused by somebody else.

    Source: a classic, the state machine without the transitions of others.
    """

    _pauses = 0

    def pause(self) -> None:
        self._pauses += 1
        super().pause()

    def _stays(self, call: Call, last: tuple[int, str]) -> bool:
        if last[1] == "paused" and not self._pauses:
            self._await_news(call, last)
            return False
        return super()._stays(call, last)


class OwnVoiceOnly(ReferenceClient):
    """Shows only those user messages that it has sent itself.

    Source: a classic, the chat that hides its own echo and others' messages with it.
    """

    def __init__(self, url: str, on_event: OnEvent, *more: Any, **options: Any) -> None:
        self._said: list[str] = []
        super().__init__(url, on_event, *more, **options)

    def send_message(self, text: str) -> None:
        self._said.append(text)
        super().send_message(text)

    def count(self) -> int:
        return len(self.visible())

    def visible(self) -> list[str]:
        return [event["id"] for event in self._log.events if not self._is_anothers(event)]

    def _is_anothers(self, event: Event) -> bool:
        if event["kind"] != "MessageEvent" or event["source"] != "user":
            return False
        texts = [part["text"] for part in event["llm_message"]["content"]]
        return not set(texts) & set(self._said)


class UnwatchedLog(EventLog):
    _wanted = 0

    def sync(self) -> None:
        self._wanted += 1
        try:
            super().sync()
        finally:
            self._wanted -= 1

    def _read(self) -> None:
        if self._awaited or self._wanted:
            super()._read()


class DeafBetweenRuns(ReferenceClient):
    """Reads no events between the end of its run() and its own next act.

    Source: a classic, the listener that exists only while its owner waits for something.
    """

    event_log = UnwatchedLog


class RejectionsUnread(ReferenceClient):
    """Does not show that the user has rejected an action, since it never does that itself.

    Source: a classic, the kind of event that was forgotten in a table.
    """

    def count(self) -> int:
        return len(self.visible())

    def visible(self) -> list[str]:
        kinds = ("UserRejectObservation",)
        return [event["id"] for event in self._log.events if event["kind"] not in kinds]


class StatusOfOwnRun(ReferenceClient):
    """Shows the status in which its own last run ended.

    Source: a classic, the return value that is kept in place of the state.
    """

    _ended: str | None = None

    def _await_end(self, call: Call) -> str:
        self._ended = super()._await_end(call)
        return self._ended

    def state(self) -> Mapping[str, Callable[[], object]]:
        found = super().state()
        if self._ended is None:
            return found
        ended = self._ended
        return {**found, "execution_status": lambda: ended}


class LateComer(ReferenceClient):
    """After it connects to an existing conversation, shows only what comes from then on.

    Source: a classic, the subscription without its history.
    """

    _before = 0

    def __init__(self, url: str, on_event: OnEvent, *more: Any, **options: Any) -> None:
        super().__init__(url, on_event, *more, **options)
        if options.get("conversation") is not None:
            self._log.sync()
            self._before = len(self._log.events)

    def count(self) -> int:
        return len(self.visible())

    def visible(self) -> list[str]:
        return [event["id"] for event in self._log.events[self._before :]]
