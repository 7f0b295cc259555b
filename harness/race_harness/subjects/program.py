"""The caller's side of a trial: the program that uses the client, and what it observes."""

import asyncio
import itertools
import json
import threading
import time
from collections.abc import Callable
from typing import Any, Literal

from race_harness.clients import Adapter, Client, SeenEvent
from race_harness.model.outcome import CallOutcome, Outcome, Void
from race_harness.model.schedule import Act, Moment, OtherAct, Schedule
from race_harness.model.trace import Trace
from race_harness.subjects.onlookers import Onlookers
from race_harness.subjects.others import Others

Gate = Callable[[], None]
"""Blocks its caller until a moment of the trial has come."""

LOOK_EVERY_S = 0.1
FINISH = "finish"
"""The tool by which the agent says that it is done."""
_UNREACHED = Void("unreached", "no reason given")
"""The reason while there is no conversation yet."""


class Program:
    """Connects; sends messages and calls `run()`; settles; closes.

    `gate` returns a function that blocks until a moment, for acts on other threads. It is called
    before the trial begins, so that moments are counted from the beginning.
    """

    def __init__(
        self,
        schedule: Schedule,
        adapter: Adapter,
        trace: Trace,
        gate: Callable[[Moment], Gate],
    ) -> None:
        self._caller = schedule.caller
        self._adapter = adapter
        self._trace = trace
        self._acts = [(act, gate(act.at)) for act in schedule.caller.acts]
        self._others = Others(trace) if schedule.others or schedule.watchers else None
        self._onlookers = Onlookers(adapter, trace)
        self._watchers = [(n, gate(one.at)) for n, one in enumerate(schedule.watchers, 2)]
        self._others_acts = [(act, gate(act.at)) for act in schedule.others]
        self._client: Client | None = None
        self._void: Void | None = _UNREACHED
        self._calls: dict[int, CallOutcome] = {}
        self._numbers = itertools.count(1)
        self._settled: tuple[str, ...] = ()
        self._seen: set[str] = set()
        self._seen_count = 0
        self._finish_observed = False
        self._acting: list[threading.Thread] = []
        self._settling = self._settled_down = False
        self._closed = False
        """Whether an act has closed the conversation."""
        self._numbers_of_acts = itertools.count(1)
        runs = schedule.caller.runs
        self._undone = [f"run() {number} of {runs}" for number in range(1, runs + 1)]
        self._undone += [_method(act.what) for act in schedule.caller.acts]
        self._undone += [_of_other(act) for act in schedule.others]
        self._undone += [_of_watcher(number) for number, _ in self._watchers]

    def play(self, url: str, aside: str = "") -> None:
        """Run the program. `url` leads the client to its server, `aside` everybody else, if
        anybody else acts."""
        caller = self._caller
        for other, gate in self._others_acts:
            self._of_others(aside, other, gate)
        for number, gate in self._watchers:
            self._of_watchers(aside, number, gate)
        try:
            wanted = caller.max_iterations
            options: dict[str, Any] = {} if wanted is None else {"max_iterations": wanted}
            self._client = client = self._adapter.connect(url, self._callback, **options)
        except Exception as error:
            if not self._lacks("connect", error):
                self._void = Void("unreached", _describe(error))
            return
        time.sleep(caller.pause_ms / 1000)
        self._void = None
        if self._try("send-message", lambda: client.send_message("Please finish.")):
            for act, gate in self._acts:
                self._meanwhile(client, act, gate)
            self._run_all(client)
        self._settle()
        self.look()
        self._settled = tuple(client.visible())
        self._read_state(client)
        self._onlookers.end()
        self._trace.record("client", "close-called")
        try:
            client.close()
        except Exception as error:
            self._trace.record("client", "close-raised", error=_describe(error))
        else:
            self._trace.record("client", "close-returned")

    def _read_state(self, client: Client) -> None:
        """Read each field of the state separately, so that one that raises hides no other."""
        read = getattr(client, "state", None)
        if read is None or self._closed or not self._calls:
            return

        def read_all() -> None:
            values, errors = {}, {}
            for field, value in read().items():
                try:
                    # As JSON, like the server's values.
                    values[field] = json.loads(json.dumps(value()))
                except Exception as error:
                    errors[field] = _describe(error)
            self._trace.record("client", "state-read", values=values, errors=errors)

        self._try("state", read_all)

    def _run_all(self, client: Client) -> None:
        runs = self._caller.runs
        for number in range(1, runs + 1):
            if number > 1:
                time.sleep(self._caller.between_ms / 1000)
                if not self._do(client, "send-message"):
                    return  # There is no message for a run.
            self._undone.remove(f"run() {number} of {runs}")
            self._run(client)

    def _run(self, client: Client) -> None:
        number = next(self._numbers)
        self._calls[number] = CallOutcome(number, "never")
        self._trace.record("client", "run-called", call=number)
        try:
            client.run(blocking=self._caller.blocking, timeout_s=self._caller.timeout_s)
        except (Exception, asyncio.CancelledError) as error:
            at_ns = self._trace.now_ns()
            if self._lacks("run", error):
                del self._calls[number]
            else:
                self._ended(client, number, at_ns, "raised", _describe(error))
        else:
            self._ended(client, number, self._trace.now_ns(), "returned")
            self._look_again()

    def _ended(
        self,
        client: Client,
        number: int,
        at_ns: int,
        how: Literal["returned", "raised"],
        error: str | None = None,
    ) -> None:
        # There is no scheduling point between the return and this look. In real time the look is
        # a little later, so an event from before `at_ns` that it does not see was not visible.
        self.look(at_ns)
        self._settled = visible = tuple(client.visible())
        self._calls[number] = CallOutcome(number, how, error, visible)
        detail = {} if error is None else {"error": error}
        self._trace.record("client", f"run-{how}", at_ns=at_ns, call=number, **detail)

    def _look_again(self) -> None:
        """Wait for the finish observation, like a test that was repaired in place of the client.
        This changes no verdict."""
        until = time.monotonic() + self._caller.looks_again_s
        while not self._finish_observed and time.monotonic() < until:
            time.sleep(LOOK_EVERY_S)

    def _meanwhile(self, client: Client, act: Act, gate: Gate) -> None:
        """Do an act on another thread, at its moment, unless the caller is settling by then."""

        def do() -> None:
            self._undone.remove(_method(act.what))
            self._closed = self._closed or act.what == "close"
            if act.what == "run":
                self._run(client)
            else:
                self._do(client, act.what)

        self._when(gate, do, f"caller: {act.what}", lambda: self._settling)

    def _of_others(self, url: str, act: OtherAct, gate: Gate) -> None:
        def do() -> None:
            if self._others is not None and self._others.act(url, act):
                self._undone.remove(_of_other(act))

        # Others go on while the caller settles.
        self._when(gate, do, f"other: {act.what}", lambda: self._settled_down)

    def _of_watchers(self, url: str, number: int, gate: Gate) -> None:
        def do() -> None:
            conversation = None if self._others is None else self._others.conversation
            if conversation is None:
                return
            try:
                self._onlookers.attach(number, url, conversation)
            except NotImplementedError as error:
                self._void = Void("unfit", f"attach() of {self._adapter.version}: {error}")
            else:
                self._undone.remove(_of_watcher(number))

        self._when(gate, do, f"client {number}", lambda: self._settled_down)

    def _when(
        self, gate: Gate, do: Callable[[], None], name: str, too_late: Callable[[], bool]
    ) -> None:
        """Start a thread that waits for a moment, and then acts, unless it is too late."""

        def wait_and_act() -> None:
            gate()
            # It is announced before the check, so that whoever waits for acts cannot miss it.
            self._acting.append(thread)
            try:
                if not too_late():
                    do()
            finally:
                self._acting.remove(thread)

        thread = threading.Thread(target=wait_and_act, name=name, daemon=True)
        thread.start()

    def _settle(self) -> None:
        """Wait for what other threads have begun; then let the settle time pass.

        It is longer by the time of all slow callbacks, one after the other; by the time for which
        threads were stalled at lines; and by that for which the server was frozen or dead.
        """
        self._await_acts()
        self._settling = True
        self._await_acts()
        began_ns = self._trace.now_ns()
        slept_s, due_s = 0.0, self._caller.settle_s
        while slept_s < due_s:
            time.sleep(due_s - slept_s)
            slept_s, due_s = due_s, self._caller.settle_s + self._own_delays_s(began_ns)
        self._settled_down = True
        self._await_acts()

    def _await_acts(self) -> None:
        while acting := self._acting[:1]:
            acting[0].join()

    def _own_delays_s(self, since_ns: int) -> float:
        events = sum(
            happening.what == "persisted" and self._is_slow(happening.detail)
            for happening in self._trace.happenings
        )
        stalls = [entry for entry in self._trace.happenings if entry.what == "line-stalled"]
        stalled_ms = sum(float(stall.detail["for_ms"]) for stall in stalls)
        still_ms = sum(
            max(0.0, float(entry.detail["for_ms"]) - max(0, since_ns - entry.at_ns) / 1e6)
            for entry in self._trace.happenings
            if entry.what in ("frozen", "crashed")
        )
        return (events * self._caller.callback_ms + stalled_ms + still_ms) / 1000

    def _is_slow(self, persisted: dict[str, Any]) -> bool:
        """Whether the callback is slow on that event. A server need not name its tools."""
        tool = persisted.get("tool_name", FINISH)
        return self._caller.callback_on == "all" or _of_finish(persisted["kind"], tool)

    def _do(self, client: Client, what: str) -> bool:
        do: dict[str, Callable[[], None]] = {
            "send-message": lambda: client.send_message("Go on."),
            "pause": lambda: client.pause(),
            "interrupt": lambda: client.interrupt(),
            "close": lambda: client.close(),
        }
        return self._try(what, do[what])

    def _try(self, what: str, do: Callable[[], None]) -> bool:
        """Do an act, and record it; return whether it succeeded."""
        number = next(self._numbers_of_acts)
        self._trace.record("client", "act-called", act=what, number=number)
        try:
            do()
        except (Exception, asyncio.CancelledError) as error:
            if not self._lacks(what, error):
                told = _describe(error)
                self._trace.record("client", "act-raised", act=what, number=number, error=told)
            return False
        if what == "send-message":
            self.look()
        self._trace.record("client", "act-returned", act=what, number=number)
        return True

    def _lacks(self, what: str, error: BaseException) -> bool:
        """Whether an error means that the client has no such method or option; if so, the trial is
        void."""
        name = _method(what).removesuffix("()")
        match error:
            case NotImplementedError():
                lacks = True
            case AttributeError():
                # An attribute of None is an ordinary error of the client.
                lacks = error.name == name and error.obj is not None
            case TypeError():
                lacks = f"{name}() got an unexpected keyword argument" in str(error)
            case _:
                lacks = False
        if lacks and what != "state":  # No schedule asks for the state.
            self._void = Void("unfit", f"{name}() of {self._adapter.version}: {_describe(error)}")
        return lacks

    def look(self, at_ns: int | None = None) -> None:
        """Record which events have become visible since the last look; their time is now, or
        `at_ns`."""
        if self._client is None:
            return
        # This runs at every scheduling point, so it counts first, which is cheap.
        count = self._client.count()
        if count != self._seen_count:
            self._seen_count = count
            for event in self._client.visible():
                if event not in self._seen:
                    self._seen.add(event)
                    self._trace.record("client", "visible", at_ns=at_ns, event=event)

    def _callback(self, event: SeenEvent) -> None:
        self._trace.record("client", "callback", event=event.id, kind=event.kind)
        of_finish = _of_finish(event.kind, event.tool_name)
        if of_finish and event.kind == "ObservationEvent":
            self._finish_observed = True
        caller = self._caller
        if not (of_finish or caller.callback_on == "all"):
            return
        if caller.callback_ms:
            time.sleep(caller.callback_ms / 1000)
            self._trace.record("client", "callback-done", event=event.id)
        if caller.callback_raises:
            self._trace.record("client", "callback-raised", event=event.id)
            raise RuntimeError("the user's callback fails")

    def outcome(self, stopped: str | None) -> Outcome:
        """Return the outcome; `stopped` says why the harness stopped the trial, if it did."""
        visible = tuple(self._client.visible()) if self._client is not None else ()
        calls = tuple(self._calls[number] for number in sorted(self._calls))
        if self._void is _UNREACHED and stopped is not None:
            self._void = Void("unreached", f"connect() did not return: {stopped}")
        return Outcome(
            calls=calls,
            visible_settled=visible if stopped is not None else self._settled,
            void=self._void,
            stopped=stopped,
            undone=tuple(self._undone),
        )


def _of_finish(kind: str, tool_name: str | None) -> bool:
    """Whether an event is the agent's last action, or its observation."""
    return tool_name == FINISH and kind in ("ActionEvent", "ObservationEvent")


def _of_watcher(number: int) -> str:
    return f"client {number}, which looks on"


def _of_other(act: OtherAct) -> str:
    return f"somebody else's {act.what}"


def _method(act: str) -> str:
    """Return an act as a call, such as `send_message()`."""
    return f"{act.replace('-', '_')}()"


def _describe(error: BaseException) -> str:
    text = f"{type(error).__name__}: {error}"
    return text if error.__cause__ is None else f"{text} <- {_describe(error.__cause__)}"
