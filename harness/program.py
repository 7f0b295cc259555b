"""The caller's side of a trial: the program that uses the client, and what it got to see."""

import time
from dataclasses import dataclass
from typing import Literal

from harness.clients import Adapter, Client, SeenEvent
from harness.schedule import Schedule
from harness.trace import Trace


@dataclass(frozen=True)
class Outcome:
    """What the caller got, for the oracle. Ids are in the client's own order."""

    ended: Literal["returned", "raised", "never", "void"]
    error: str | None
    """What was raised, by `run()` or (if void) before it."""
    visible_at_return: tuple[str, ...]
    """Ids in `state.events` at the instant `run()` returned or raised."""
    visible_settled: tuple[str, ...]
    """Ids in `state.events` after the settle time, before `close()`."""
    stopped: str | None = None
    """Why the simulation had to end the trial, if it did."""


class Program:
    """Connects, sends a message, calls `run()`, settles, closes."""

    def __init__(self, schedule: Schedule, adapter: Adapter, trace: Trace) -> None:
        self._caller = schedule.caller
        self._adapter = adapter
        self._trace = trace
        self._client: Client | None = None
        self._ended: Literal["returned", "raised", "never", "void"] = "void"
        self._error: str | None = None
        self._at_return: tuple[str, ...] = ()
        self._settled: tuple[str, ...] = ()
        self._seen: set[str] = set()
        self._seen_count = 0

    def play(self, url: str) -> None:
        try:
            self._client = client = self._adapter.connect(url, self._callback)
            time.sleep(self._caller.pause_ms / 1000)
            client.send_message("Please finish.")
        except Exception as error:
            self._error = _describe(error)
            return
        self._ended = "never"
        self._trace.record("client", "run-called")
        try:
            client.run()
        except Exception as error:
            self._error = _describe(error)
            self._returned("raised")
        else:
            self._returned("returned")
        self._settle()
        self.look()
        self._settled = tuple(client.visible())
        self._trace.record("client", "close-called")
        try:
            client.close()
        except Exception as error:
            # Judged is `run()`; here is only kept that a client's own failure stays its own.
            self._trace.record("client", "close-raised", error=_describe(error))
        else:
            self._trace.record("client", "close-returned")

    def _settle(self) -> None:
        """A thread that was stalled at a line gets as much longer as it was stalled."""
        slept_s = 0.0
        due_s = self._caller.settle_s
        while slept_s < due_s:
            time.sleep(due_s - slept_s)
            slept_s, due_s = due_s, self._caller.settle_s + self._stalled_s()

    def _stalled_s(self) -> float:
        stalls = [entry for entry in self._trace.happenings if entry.what == "line-stalled"]
        return sum(float(stall.detail["for_ms"]) for stall in stalls) / 1000

    def _returned(self, how: Literal["returned", "raised"]) -> None:
        # No scheduling point between the return and this look.
        self.look()
        if self._client is not None:
            self._at_return = self._settled = tuple(self._client.visible())
        self._ended = how
        detail = {} if self._error is None else {"error": self._error}
        self._trace.record("client", f"run-{how}", **detail)

    def look(self) -> None:
        """Note which events have become visible since the last look."""
        if self._client is None:
            return
        # Called at every scheduling point: counting first keeps it cheap.
        count = self._client.count()
        if count != self._seen_count:
            self._seen_count = count
            for event in self._client.visible():
                if event not in self._seen:
                    self._seen.add(event)
                    self._trace.record("client", "visible", event=event)

    def _callback(self, event: SeenEvent) -> None:
        self._trace.record("client", "callback", event=event.id, kind=event.kind)
        slow = self._caller.callback_on == "all" or (
            event.tool_name == "finish" and event.kind in ("ActionEvent", "ObservationEvent")
        )
        if slow and self._caller.callback_ms:
            time.sleep(self._caller.callback_ms / 1000)
            self._trace.record("client", "callback-done", event=event.id)

    def outcome(self, stopped: str | None) -> Outcome:
        """What came of it; `stopped` says why the trial was ended from outside, if it was."""
        visible = tuple(self._client.visible()) if self._client is not None else ()
        never = self._ended == "never"
        return Outcome(
            ended=self._ended,
            error=self._error,
            visible_at_return=visible if never else self._at_return,
            visible_settled=visible if never else self._settled,
            stopped=stopped,
        )


def _describe(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    return text if error.__cause__ is None else f"{text} <- {_describe(error.__cause__)}"
