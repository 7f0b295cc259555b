"""The reference client: one conversation, right by default.

It does what `RemoteConversation` does by another design. There every source of news decides
something: frames fill `state.events`, polls and snapshots end `run()`. Here one source decides,
the server's log, which is read over REST; frames only say when to look (`doorbell.py`,
`events.py`).

When has a run ended? A status in the log names no run, but the log is ordered, and the server runs
a conversation once at a time:

- What the log had before `POST /run` is known, so a `running` after it is this run's, or that of
  the run that made the server answer 409. Runs are asked for one at a time: none begins while
  another that this client has asked for is not in the log yet.
- The last status after that may be the end. `finished` need not be: a stop hook may still set it
  back. It does so under the server's state lock, which is had first come, first served, and which
  any change of a setting waits for. So the client changes nothing, twice: the first time may come
  before the hook's turn, the second cannot. If the status is still the last one, it stays.
- What cannot be told so is whether the LLM still answers: it is awaited without the lock. That
  matters after a pause, which takes effect when the LLM has answered, and after a message that
  came just when the run finished. There, and where a finished conversation is run without a new
  message (which leaves no trace in the log), nothing but quiet can be waited for: `QUIET_S`
  without any event.

A request whose answer is lost may have been acted upon. The log tells, too, before it is repeated.
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
"""How long to wait for the socket at first; without it everything works, but later."""
QUIET_S = 6.0
"""No event for so long means that a run is over that cannot be known to be."""
DOUBT_S = 2.0
"""After which silence makes it doubt that a server is still at it, to which it has lost a
connection."""
ASK_AGAIN_S = 0.3
"""Between two requests of the same thing."""
ENDS = frozenset({"finished", "error", "stuck", "paused", "waiting_for_confirmation"})
CONFLICT = 409


class RunFailedError(RuntimeError):
    """The run ended in `error` or `stuck`."""


def is_the_agents(event: Event) -> bool:
    """Whether only a run brings such an event; others come from whoever uses the conversation."""
    if event["kind"] == "ConversationStateUpdateEvent":
        return event["key"] == STATUS and event["value"] not in ("idle", "paused")
    return str(event["source"]) != "user"


class Call:
    """One call of `run()` on its way. Positions in the log."""

    def __init__(self) -> None:
        self.before = 0
        """How many events the log had before the run was asked for."""
        self.status_before = "idle"
        self.interrupts_before = 0
        self.accepted = False
        """The server has begun a run for it; else it waits for one that was there."""
        self.ended_before: int | None = None
        """Where the log has the beginning of a later run, if there was one."""
        self.breaks = 0
        """How often a connection had been lost when the run was asked for, or since."""
        self.forgotten = False
        """Whether the server may have lost it before it began."""
        self.requested = self.over = False
        self.error: Exception | None = None


class ReferenceClient:
    """One conversation. Methods may be called on any thread."""

    doorbell = Doorbell
    event_log = EventLog
    callbacks = Callbacks
    rest = Rest

    def __init__(
        self,
        url: str,
        on_event: OnEvent,
        max_iterations: int | None = None,
        conversation: str | None = None,
    ) -> None:
        """`conversation`: the id of one that there is already."""
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
        """Whose runs may be going on."""

    # -- for the user ------------------------------------------------------------------------

    def send_message(self, text: str) -> None:
        """Until it is visible. Raises ClosedError or UnreachableError, like the others."""
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
        """Start a run and wait for its end, in seconds at most; not `blocking`, only start it.

        When it returns, every event of the run is visible and the callback is through with it.

        Raises:
            RunFailedError: the run ended in `error` or `stuck`.
            TimeoutError: it has not ended in time.
            ClosedError: the conversation was closed meanwhile.
            UnreachableError: the server could not be reached for a long time.
        """
        # On a thread of its own, so that neither the deadline nor close() waits for the network.
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
        """As the server has it when the first field is read, which raises UnreachableError."""
        found = cache(self._state)

        def of(field: str) -> object:
            state = found()
            if isinstance(state, UnreachableError):
                # It is not asked for again for each of them.
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
        """Until all that is in the log is visible."""
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
        """Know what was before."""
        self._log.sync()
        self._remember(call)

    def _remember(self, call: Call) -> None:
        call.before = len(self._log.events)
        call.status_before = self._log.last_status[1]

    def _begin(self, call: Call) -> None:
        """Until a run has begun, which is asked for again where the server has lost it."""
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
        """How often a connection was lost, or could not be had, so far. A server that has died and
        was started again shows by nothing else that it has forgotten what it had accepted."""
        return self._log.failures + self._doorbell.greetings

    def _ask_for_run(self, call: Call) -> None:
        """Until a run is on its way, this call's own or another."""
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
        """The run that is there may have begun; or be about to; or have ended and be about to
        leave, and then the next request is accepted."""
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
        """Where the log has it: `running`, unless an action was to be confirmed."""
        confirms = call.status_before == "waiting_for_confirmation"
        for position, status in self._log.statuses(call.before):
            if status == "running" or (confirms and status in ENDS):
                return position
        return None

    def _await_beginning(self, call: Call) -> None:
        """Until the log shows it, which may take an agent's start. Until then every status is
        that of an earlier run. Nothing need begin where the conversation was finished, or the run
        was interrupted. Where a connection has been lost since, and nothing begins, asking again
        tells whether the run is there, which the server answers by 409."""

        def begun() -> bool:
            return self._beginning(call) is not None

        def may_do_nothing() -> bool:
            # An interrupt that comes while the agent starts may leave no trace.
            interrupted = self._interrupts > call.interrupts_before
            return interrupted or "finished" in {call.status_before} | self._statuses(call)

        if call.accepted:
            self._log.wait(lambda: begun() or may_do_nothing() or self._broken(call))
            if not begun():
                self._log.wait(begun, QUIET_S)
                # Quiet is what the log shows once it has been read.
                self._log.sync()
                call.forgotten = not (begun() or may_do_nothing())

    def _end_others(self, call: Call) -> None:
        """A run that is accepted says that all others are over."""
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
        """The status that the run ended in."""
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
        """Others may have set `idle` or `paused` meanwhile; what is left is of the run itself."""
        for position, status in reversed(self._log.statuses(call.before)):
            later = call.ended_before is not None and position >= call.ended_before
            if status in ENDS - {"paused"} and not later:
                return status
        return "paused"

    def _await_news(self, call: Call, last: tuple[int, str]) -> str | None:
        """Until the log has another status; or the server's, where it is another for good, and no
        log tells so. That may be where a connection was lost: perhaps the server was."""

        def news() -> bool:
            return self._log.last_status != last or call.ended_before is not None

        self._log.wait(lambda: news() or self._broken(call))
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
        """Whether a last status that is not `running` is the end; takes its time to find out."""
        position, status = last
        interrupted = any(
            event["kind"] == "InterruptEvent" for event in self._log.events[position:]
        )
        if status == "idle" or (status == "paused" and not interrupted):
            return self._quiet(call)
        self._take_turns()
        return self._log.last_status == last

    def _take_turns(self) -> None:
        """Until whatever the server was about to do under its lock is in the log, and read."""
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
        """Until the callback is through with what is visible."""
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
        """Until it is answered, or `acted` finds in the log that the server has acted upon it."""
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
