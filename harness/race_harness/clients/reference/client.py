"""The reference client: one conversation, correct by default.

It does what `RemoteConversation` does, by another design. There, every source of news decides
something: frames fill `state.events`, polls and snapshots end `run()`. Here only the server's log
decides, which the client reads over REST; frames only say when to look (`doorbell.py`,
`events.py`).

When has a run ended? A status in the log names no run, but the log is ordered, and a server runs a
conversation only once at a time:

- The client knows the log from before `POST /run`, so a `running` after it belongs to this run, or
  to the run because of which the server answered 409. The client asks for one run at a time: it
  begins none while another that it has asked for is not in the log yet.
- The last status after that may be the end. `finished` may not be, since a stop hook may still set
  it back. The hook does so under the server's state lock, which is first come, first served, and
  for which any change of a setting waits. So the client changes a setting, without effect, twice:
  the first change may come before the hook's turn, the second cannot. If the status is still the
  last one, it stays.
- This does not show whether the LLM is still answering, because the server awaits it without the
  lock. That matters after a pause, which takes effect when the LLM has answered, and after a
  message that came just when the run finished. In these cases, and when a finished conversation
  runs without a new message (which leaves no trace in the log), the client can only wait for
  quiet: `QUIET_S` without any event.

If the answer to a request is lost, the server may have acted on it. Here too the client looks at
the log before it repeats the request.
"""

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from race_harness.clients import OnEvent
from race_harness.clients.reference.callbacks import Callbacks
from race_harness.clients.reference.doorbell import Doorbell
from race_harness.clients.reference.events import GIVE_UP_S, STATUS, EventLog, UnreachableError
from race_harness.clients.reference.http import Event, LostError, Rest
from race_harness.clients.reference.inquiry import live_status
from race_harness.server.shown import STATE_FIELDS, state_in

GREETING_S = 5.0
"""How long to wait for the socket at first. Everything works without it, but later."""
QUIET_S = 6.0
"""If nothing else shows that a run is over, so long without an event does."""
DOUBT_S = 2.0
"""After a lost connection, so long without an event makes it doubt that the server still runs."""
SILENCE_S = 15.0
"""So long without an event makes it doubt that anyway: a server whose disk is full may announce
no end."""
ASK_AGAIN_S = 0.3
"""Seconds between two attempts at the same request."""
ENDS = frozenset({"finished", "error", "stuck", "paused", "waiting_for_confirmation"})
CONFLICT = 409


class RunFailedError(RuntimeError):
    """The run ended in `error` or `stuck`."""


def is_the_agents(event: Event) -> bool:
    """Whether only a run produces such an event; others come from users of the conversation."""
    if event["kind"] == "ConversationStateUpdateEvent":
        return event["key"] == STATUS and event["value"] not in ("idle", "paused")
    return str(event["source"]) != "user"


class Call:
    """One call of `run()` that is going on. Positions are in the log."""

    def __init__(self) -> None:
        self.before = 0
        """How many events the log had before the client asked for the run."""
        self.status_before = "idle"
        self.interrupts_before = 0
        self.accepted = False
        """Whether the server has begun a run for it; else it waits for one that was there."""
        self.ended_before: int | None = None
        """The position at which a later run begins, if there was one."""
        self.breaks = 0
        """The number of lost connections when the client asked for the run, or last checked."""
        self.forgotten = False
        """Whether the server may have lost the run before it began."""
        self.requested = self.over = False
        self.error: Exception | None = None


class ReferenceClient:
    """One conversation. Methods may be called on any thread."""

    doorbell = Doorbell
    event_log = EventLog
    callbacks = Callbacks
    rest = Rest
    silence_s: float | None = SILENCE_S
    """None: it never asks because of a silence, which would heal most of the faults of the zoo."""

    def __init__(
        self,
        url: str,
        on_event: OnEvent,
        max_iterations: int | None = None,
        conversation: str | None = None,
    ) -> None:
        """`conversation`: the id of an existing conversation, if it is not to create one."""
        self._id = conversation or str(uuid.uuid4())
        self._rest = self.rest(url, self._id)
        if conversation is None:
            self._create(max_iterations)
        self._log = self.event_log(self._rest)
        self._callbacks = self.callbacks(self._log, on_event)
        self._socket_url = f"{url.replace('http', 'ws', 1)}/sockets/events/{self._id}"
        self._doorbell = self.doorbell(self._socket_url, self._heard)
        self._doorbell.wait_for_greeting(GREETING_S)
        self._asking = threading.Lock()
        self._interrupts = 0
        self._calls: list[Call] = []
        """The calls whose runs may be going on."""

    # -- for the user ------------------------------------------------------------------------

    def send_message(self, text: str) -> None:
        """Send a message and wait until it is visible. Raises ClosedError or UnreachableError,
        like the other methods."""
        content = [{"type": "text", "text": text}]
        self._log.sync()
        before = len(self._log.events)

        def arrived() -> bool:
            return any(
                event["kind"] == "MessageEvent"
                and event["source"] == "user"
                and event["llm_message"]["content"] == content
                for event in self._log.events[before:]
            )

        self._ask("events", {"role": "user", "content": content, "run": False}, arrived)
        self._seen()

    def run(self, *, blocking: bool = True, timeout_s: float | None = None) -> None:
        """Start a run and wait for its end, at most `timeout_s`; if not `blocking`, only start it.

        When it returns, every event of the run is visible, and the callback has finished it.

        Raises:
            RunFailedError: the run ended in `error` or `stuck`.
            TimeoutError: it has not ended in time.
            ClosedError: the conversation was closed meanwhile.
            UnreachableError: the server could not be reached for a long time.
        """
        # It has its own thread, so that neither the deadline nor close() waits for the network.
        call = Call()
        call.interrupts_before = self._interrupts
        threading.Thread(target=self._carry_out, args=(call,), name="run", daemon=True).start()
        if not self._wait(lambda: call.over or (call.requested and not blocking), timeout_s):
            raise TimeoutError(f"the run has not ended within {timeout_s} s")
        if call.error is not None:
            raise call.error

    def pause(self) -> None:
        self._ask("pause")

    def interrupt(self) -> None:
        self._interrupts += 1
        self._log.tell()
        self._ask("interrupt")

    def count(self) -> int:
        return len(self._log.events)

    def visible(self) -> list[str]:
        return [event["id"] for event in self._log.events]

    def state(self) -> Mapping[str, Callable[[], object]]:
        """Return readers of the server's state at the time at which the first field is read. They
        raise UnreachableError."""
        found = cache(self._state)

        def of(field: str) -> object:
            state = found()
            if isinstance(state, UnreachableError):
                # The fields share one request, and so its error.
                raise state
            return state[field]

        return {field: partial(of, field) for field in STATE_FIELDS}

    def _state(self) -> Mapping[str, object] | UnreachableError:
        try:
            return state_in(self._info())
        except UnreachableError as error:
            return error

    def _info(self) -> dict[str, Any]:
        asking_since = time.monotonic()
        while True:
            try:
                return self._rest.info()
            except LostError as error:
                if time.monotonic() - asking_since > GIVE_UP_S:
                    raise UnreachableError(str(error)) from error
            self._log.pause(ASK_AGAIN_S)

    def close(self) -> None:
        self._log.close()
        self._doorbell.close()
        self._rest.close()

    def _seen(self) -> None:
        """Wait until everything in the log is visible."""
        self._log.sync()

    def _wait(self, condition: Callable[[], bool], timeout_s: float | None) -> bool:
        return self._log.wait(condition, timeout_s)

    # -- a run -------------------------------------------------------------------------------

    def _carry_out(self, call: Call) -> None:
        try:
            with self._log.attention():
                with self._asking:
                    self._prepare(call)
                    self._begin(call)
                    self._end_others(call)
                status = self._await_end(call)
                self._await_callbacks()
            call.error = self._failure(status)
        except Exception as error:
            call.error = error
        finally:
            call.over = True
            self._log.tell()

    def _prepare(self, call: Call) -> None:
        """Read the log and remember where it ended."""
        self._log.sync()
        self._remember(call)

    def _remember(self, call: Call) -> None:
        call.before = len(self._log.events)
        call.status_before = self._log.last_status[1]

    def _begin(self, call: Call) -> None:
        """Wait until a run has begun; ask for it again if the server has lost it."""
        while True:
            call.breaks, call.forgotten = self._breaks(), False
            self._ask_for_run(call)
            call.requested = True
            self._log.tell()
            self._await_beginning(call)
            if not call.forgotten:
                return

    def _broken(self, call: Call) -> bool:
        return self._breaks() != call.breaks

    def _breaks(self) -> int:
        """Return how often a connection has been lost or refused. Nothing else shows that a server
        was restarted, and may have forgotten a run that it had accepted."""
        return self._log.failures + self._doorbell.greetings

    def _ask_for_run(self, call: Call) -> None:
        """Ask until a run is on its way, this call's own or another."""
        asking_since = time.monotonic()
        while True:
            try:
                code = self._rest.post("run", accepted=(CONFLICT,))
            except LostError as error:
                on_its_way = self._unanswered(call, error, time.monotonic() - asking_since)
            else:
                on_its_way = self._accepted(call) if code != CONFLICT else self._refused(call)
            if on_its_way:
                return
            self._log.pause(ASK_AGAIN_S)

    def _accepted(self, call: Call) -> bool:
        call.accepted = True
        return True

    def _refused(self, call: Call) -> bool:
        """Whether there is a run to wait for. The one for which the server refused may have begun,
        or be about to; or it has ended and is about to be cleared, so that the next request is
        accepted."""
        for pause_s in (ASK_AGAIN_S, 0):
            self._log.sync()
            if self._log.last_status[1] == "running" or self._statuses(call) & ENDS:
                return True
            self._log.pause(pause_s)
        self._remember(call)
        return False

    def _unanswered(self, call: Call, error: LostError, asking_s: float) -> bool:
        """Whether the server acted on the request all the same, which the log shows after a while.

        If the client asked again too early, it would start a second run after the first has ended.
        While another call's run is going on, the log cannot tell the two apart, since that run may
        go on after a message: then only an answer can.
        """
        if asking_s > GIVE_UP_S:
            raise UnreachableError(f"no run could be started: {error}") from error
        if any(not other.over for other in self._calls):
            return False
        self._log.wait(lambda: self._beginning(call) is not None, QUIET_S)
        self._log.sync()
        call.accepted = self._beginning(call) is not None
        return call.accepted

    def _statuses(self, call: Call) -> set[str]:
        return {status for _, status in self._log.statuses(call.before)}

    def _beginning(self, call: Call) -> int | None:
        """Return the position at which the run begins: `running`, unless an action was to be
        confirmed."""
        confirms = call.status_before == "waiting_for_confirmation"
        for position, status in self._log.statuses(call.before):
            if status == "running" or (confirms and status in ENDS):
                return position
        return None

    def _await_beginning(self, call: Call) -> None:
        """Wait until the log shows the beginning, which may take as long as the agent's start.

        Until then every status is that of an earlier run. Nothing need begin if the conversation
        was finished, or the run was interrupted. If nothing begins although a connection has been
        lost since, or everything is silent, the client asks again: if the run is there, the server
        answers 409.
        """

        def begun() -> bool:
            return self._beginning(call) is not None

        def may_do_nothing() -> bool:
            # An interrupt while the agent starts may leave no trace.
            interrupted = self._interrupts > call.interrupts_before
            return interrupted or "finished" in {call.status_before} | self._statuses(call)

        if call.accepted:
            self._log.wait(
                lambda: begun() or may_do_nothing() or self._broken(call), self.silence_s
            )
            if not begun():
                self._log.wait(begun, QUIET_S)
                # Only a log that has just been read can show quiet.
                self._log.sync()
                call.forgotten = not (begun() or may_do_nothing())

    def _end_others(self, call: Call) -> None:
        """End the other calls: if the server accepts a run, all earlier ones are over."""
        others = [other for other in self._calls if not other.over]
        if call.accepted and others:
            self._log.sync()
            position = self._beginning(call)
            for other in others:
                other.ended_before = len(self._log.events) if position is None else position
            others = []
            self._log.tell()
        self._calls = [*others, call]

    def _await_end(self, call: Call) -> str:
        """Wait for the end; return the status in which the run ended."""
        while call.ended_before is None:
            last = self._log.last_status
            if call.accepted and self._beginning(call) is None:
                break  # There was nothing to do.
            if last[1] == "running":
                status = self._await_news(call, last)
                if status is not None:
                    return status
            elif self._stays(call, last):
                break
        return self._end(call)

    def _end(self, call: Call) -> str:
        """Return the run's last final status. `idle` and `paused` may come from others, so
        `paused` is only the fallback."""
        for position, status in reversed(self._log.statuses(call.before)):
            later = call.ended_before is not None and position >= call.ended_before
            if status in ENDS - {"paused"} and not later:
                return status
        return "paused"

    def _await_news(self, call: Call, last: tuple[int, str]) -> str | None:
        """Wait until the log has another status, and return None; or return the server's status,
        if that has changed for good and the log does not show it. This can happen if the server
        crashed, which the client notices by lost connections, or by a long time without events."""
        known = len(self._log.events)

        def news() -> bool:
            return self._log.last_status != last or call.ended_before is not None

        def heard() -> bool:
            return news() or self._broken(call) or len(self._log.events) > known

        if self._log.wait(heard, self.silence_s) and not self._broken(call):
            return None
        breaks = self._breaks()
        if news() or self._log.wait(news, DOUBT_S):
            return None
        status = live_status(self._socket_url)
        if status is not None:
            call.breaks = breaks
        if status in (None, "running") or self._log.wait(news, QUIET_S):
            return None
        self._log.sync()
        return None if news() else status

    def _stays(self, call: Call, last: tuple[int, str]) -> bool:
        """Whether a last status that is not `running` is the end. This may take some time."""
        position, status = last
        interrupted = any(
            event["kind"] == "InterruptEvent" for event in self._log.events[position:]
        )
        if status == "idle" or (status == "paused" and not interrupted):
            return self._quiet(call)
        self._take_turns()
        return self._log.last_status == last

    def _take_turns(self) -> None:
        """Wait until everything that the server was about to do under its lock is in the log, and
        is read."""
        for _ in range(2):
            self._ask("secrets", {"secrets": {}})
        self._log.sync()

    def _quiet(self, call: Call) -> bool:
        """Whether the agent does nothing for a while."""
        known = len(self._log.events)

        def acts() -> bool:
            return any(map(is_the_agents, self._log.events[known:]))

        if self._log.wait(lambda: acts() or call.ended_before is not None, QUIET_S):
            return False
        self._log.sync()
        return not acts()

    def _await_callbacks(self) -> None:
        """Wait until the callback has finished everything that is visible."""
        known = len(self._log.events)
        self._log.wait(lambda: self._callbacks.given >= known)

    def _failure(self, status: str) -> Exception | None:
        if status == "idle":
            return RunFailedError("the server has lost the run")
        failed = status in ("error", "stuck")
        return RunFailedError(f"the run ended in {status}") if failed else None

    # -- requests ----------------------------------------------------------------------------

    def _heard(self, _frame: str) -> None:
        self._log.ring()

    def _create(self, max_iterations: int | None) -> None:
        for _ in range(20):
            try:
                return self._rest.create(max_iterations)
            except LostError as error:
                failure = error
                time.sleep(ASK_AGAIN_S)
        raise UnreachableError("the conversation could not be created") from failure

    def _ask(
        self,
        route: str,
        body: dict[str, object] | None = None,
        acted: Callable[[], bool] = lambda: False,
    ) -> None:
        """Ask until there is an answer, or `acted` finds in the log that the server has acted."""
        asking_since = time.monotonic()
        while True:
            try:
                self._rest.post(route, body)
                return
            except LostError as error:
                if time.monotonic() - asking_since > GIVE_UP_S:
                    raise UnreachableError(str(error)) from error
            self._log.pause(ASK_AGAIN_S)
            self._log.sync()
            if acted():
                return
