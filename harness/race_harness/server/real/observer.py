"""Records what one trial's real server does, in the same happenings as the fake.

`server.real.hooks` calls these methods from places in the server's own code. None of them awaits
or takes a lock.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any, Literal

from race_harness.model.schedule import Schedule, Turn
from race_harness.model.trace import Trace
from race_harness.network import whose
from race_harness.server.handover import Handover
from race_harness.server.profile import Profile
from race_harness.server.wire import FINAL


class AgentRun:
    """One run of the agent: its number, and how far it has come in its turn of the script."""

    def __init__(self, number: int, turn: Turn) -> None:
        self.number = number
        self.turn = turn
        self.answers = 0
        """How often the agent has asked the LLM."""
        self.calls = 0
        """How many tool calls the LLM has asked for, including those of the present step."""
        self.step_outcome: str | None = None
        """How the present step ends the run; None: it only calls tools."""
        self.waits = True
        """Whether the next tool takes time: only the first of those that are used together
        does."""
        self.used = 0
        """How often the agent has used a tool."""
        self.denials_left = turn.stop_hook_denials
        self.pause: Callable[[], object] | None = None
        """Lets another client pause the conversation."""
        self.told = False
        """Whether the snapshot after it was published."""
        self.starts = True
        """Whether the agent still has to start."""
        self.started = False
        self.ended: str | None = None

    def outcome(self) -> str | None:
        """How the next step ends the run; None: it only calls tools."""
        return self.turn.outcome if self.calls >= self.turn.tool_calls else None


run_of_task: ContextVar[AgentRun | None] = ContextVar("run_of_task", default=None)
"""The run for which the current code works; None in worker threads that get no context."""


class Observer:
    """Numbers the runs, and records what happens."""

    def __init__(self, schedule: Schedule, trace: Trace, profile: Profile) -> None:
        self.profile = profile
        self.timing = schedule.server
        self.event_kb = schedule.script.event_kb
        self.trace = trace
        self._acts: Counter[str] = Counter()
        self._script = schedule.script
        self._accepted: list[AgentRun] = []
        self._saved = "idle"
        self._unsaved = False
        self._statistics: dict[str, AgentRun] = {}
        """The runs of statistics events, which separate threads append, by the events' ids."""
        self._recovers = False
        self.restarted = False
        """Whether another process has replaced one that died."""
        self.listened = False
        """Whether anybody has subscribed to events."""
        self._handover: Handover | None = None

    def keep(self, handover: Handover) -> None:
        """Go on where a process before this one has stopped."""
        self._acts.update(act for _, act in handover.entries("act"))
        for happening in self.trace.happenings:
            if happening.what == "run-accepted":
                self._accepted.append(self.next_run())
            elif happening.what == "status-readable":
                self._saved = happening.detail["status"]
            elif happening.what == "subscribed":
                self.listened = True
        self._handover = handover

    def late_ms(self, what: Literal["append", "publication"]) -> float:
        """Return how much longer than others the next act of that kind takes."""
        self._acts[what] += 1
        if self._handover is not None:
            self._handover.note("act", what)
        return self.late_ms_of(what, self._acts[what])

    def late_ms_of(self, what: str, nth: int) -> float:
        lates = self.timing.late
        return sum(late.for_ms for late in lates if (late.what, late.nth) == (what, nth))

    @contextlib.contextmanager
    def recovering(self) -> Iterator[None]:
        """Wrap the time in which the server loads what another process had persisted."""
        self.restarted = self._recovers = True
        try:
            yield
        finally:
            self._recovers = False

    # Runs

    def next_run(self) -> AgentRun:
        number = len(self._accepted) + 1
        return AgentRun(number, self._script.turn(number))

    def accepted(self, run: AgentRun, *, other: bool) -> None:
        """`other`: the run is for somebody other than the client."""
        self._accepted.append(run)
        self.trace.record("server", "run-accepted", run=run.number, **whose.mark(other))

    def newest_run(self) -> AgentRun:
        """Return the run for threads without a context, as a conversation has one at a time."""
        return self._accepted[-1]

    def started(self, run: AgentRun) -> None:
        if not run.started:
            run.started = True
            self.trace.record("server", "run-started", run=run.number)

    def over(self, run: AgentRun, status: str) -> None:
        """The agent has left its loop; `status` is the conversation's."""
        self.started(run)
        if run.ended is None or (status == "paused" and status != run.ended):
            self._end(run, status)

    def cleared(self, run: AgentRun | None) -> None:
        number = run.number if run is not None else self.newest_run().number
        self.trace.record("server", "run-cleared", run=number)

    def _end(self, run: AgentRun, status: str) -> None:
        run.ended = status
        self.trace.record("server", "run-ended", run=run.number, status=status)

    # Status and events

    def status(self, status: str) -> None:
        """A status is about to be assigned, so nobody can have read it yet."""
        run = run_of_task.get()
        if run is not None and status == "running":
            self.started(run)
        number = run.number if run is not None else None
        self.trace.record("server", "status", status=status, run=number)
        # If a stop hook still has to deny, it takes `finished` back.
        last = status != "finished" or run is None or run.denials_left == 0
        if run is not None and status in FINAL and last:
            self._end(run, status)
        if self._recovers and status == "error":
            run_of_before = self.newest_run().number
            self.trace.record(
                *("server", "run-ended"), run=run_of_before, status=status, recovered=True
            )

    def saved(self, status: str) -> None:
        """The base state was written, which REST reads from 1.43 on."""
        if self._unsaved:
            self._unsaved = False
            self.trace.record("server", "saved")
        if self.profile.status_from_persisted_state and status != self._saved:
            self._saved = status
            self.trace.record("server", "status-readable", status=status)

    def unsaved(self) -> None:
        """The disk is full, and the base state could not be written."""
        self._unsaved = True
        self.trace.record("server", "unsaved")

    def persisted(self, event: Any) -> None:
        told: dict[str, Any] = {"event": event.id, **_kind(event)}
        statistics_of = self._statistics.get(event.id)
        run = statistics_of or run_of_task.get()
        if run is not None:
            told["run"] = run.number
        if statistics_of is not None and statistics_of.told:
            told["trailing"] = True
        if told["kind"] == "MessageEvent":
            told |= whose.mark_of_message(
                getattr(part, "text", None) for part in event.llm_message.content
            )
        self.trace.record("server", "persisted", **told)

    def unwritten(self, event: Any) -> None:
        """The disk is full, and the log does not have it."""
        self.trace.record("server", "unwritten", event=event.id, **_kind(event))

    def statistics(self, event: Any) -> None:
        """The event was handed to a thread that will append it."""
        run = run_of_task.get()
        if run is not None:
            self._statistics[event.id] = run

    def publication(self, event: Any) -> None:
        self.trace.record("server", "publication", event=event.id)

    def snapshot(self, status: str) -> None:
        run = run_of_task.get()
        number = None
        if run is not None:
            number, run.told = run.number, True
        self.trace.record("server", "snapshot", status=status, run=number)

    # Sockets

    def subscribed(self, peer: int) -> None:
        self.listened = True
        self.trace.record("socket", "subscribed", peer=peer, **whose.mark())

    def disconnected(self, peer: int, why: str) -> None:
        self.trace.record("socket", "disconnected", peer=peer, why=why, **whose.mark())


def _kind(event: Any) -> dict[str, Any]:
    """Its class, with the key of a state's update or the name of a tool."""
    names = {name: getattr(event, name, None) for name in ("tool_name", "key")}
    there = {name: value for name, value in names.items() if value is not None}
    return {"kind": type(event).__name__, **there}
