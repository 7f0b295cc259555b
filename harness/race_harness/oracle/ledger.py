"""The trace of a trial, sorted by what the oracle asks: the server's log and runs, the calls.

Positions in the trace, not times, say what came before what, because much happens at one instant
of virtual time. Times are trial nanoseconds.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from race_harness.model.trace import Happening


@dataclass(slots=True)
class LogEntry:
    """One persisted event and what became of it."""

    id: str
    kind: str
    position: int
    persisted_ns: int
    trailing: bool
    sent: int | None = None
    """Position of its first frame."""
    published_ns: int | None = None
    delivered_ns: int | None = None
    visible_ns: int | None = None

    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"id": self.id, "kind": self.kind}
        for name in ("persisted", "published", "delivered", "visible"):
            at_ns = getattr(self, f"{name}_ns")
            if at_ns is not None:
                facts[f"{name}_ms"] = at_ns / 1e6
        if self.trailing:
            facts["trailing"] = True
        return facts


@dataclass(slots=True)
class RunEntry:
    """One run of the agent on the server. Positions in the trace."""

    number: int
    started: int | None = None
    ended: int | None = None
    status: str | None = None
    done: int | None = None
    done_ns: int | None = None
    """When the post-run snapshot was published, or else the last status assigned."""


@dataclass(slots=True)
class Request:
    """A REST request that was under way or spoiled during a call."""

    route: str
    status: int | None = None
    """None: not answered."""
    fault: str | None = None


@dataclass(slots=True)
class CallEntry:
    """One call of `run()`, and what went on between its begin and its end."""

    number: int
    called: int
    called_ns: int
    ended: int | None = None
    ended_ns: int = 0
    status: str = "idle"
    """The server's status when it ended."""
    run: RunEntry | None = None
    """The server's run for it: the one that it began, or the one that was going on (409)."""
    overlaps: bool = False
    """Whether another call was on its way during it."""
    refused: bool = False
    """Whether the server refused to begin one for it."""
    refused_for: RunEntry | None = None
    """The run that was going on then, also if another was begun for the call afterwards."""
    requests: dict[int, Request] = field(default_factory=dict)
    network_fault: bool = False
    """Whether a REST connection was disturbed."""
    paused: int | None = None
    """When somebody paused the conversation: the step under way goes on, and may even win."""


@dataclass
class Ledger:
    """Everything that the oracle asks of a trace."""

    log: dict[str, LogEntry] = field(default_factory=dict)
    runs: dict[int, RunEntry] = field(default_factory=dict)
    calls: dict[int, CallEntry] = field(default_factory=dict)
    callbacks: list[str] = field(default_factory=list)
    status: str = "idle"
    """The server's, as of the last entry."""
    messages: list[int] = field(default_factory=list)
    """Where the user's own messages were persisted."""
    subscribed: int | None = None
    settled_ns: int = 0
    closed: int | None = None
    """When the caller closed the conversation meanwhile."""

    @staticmethod
    def of(happenings: Sequence[Happening]) -> "Ledger":
        ledger = Ledger()
        for position, happening in enumerate(happenings):
            enter = _ENTRIES.get((happening.lane, happening.what))
            if enter is not None:
                enter(ledger, position, happening)
        for position, happening in enumerate(happenings):
            _follow_event(ledger, position, happening)
        return ledger

    @property
    def returned_ns(self) -> int:
        """When the last call ended."""
        return max((call.ended_ns for call in self.calls.values()), default=0)

    def open_calls(self) -> Iterator[CallEntry]:
        return (call for call in self.calls.values() if call.ended is None)


def _persisted(ledger: Ledger, position: int, happening: Happening) -> None:
    detail = happening.detail
    ledger.log[detail["event"]] = LogEntry(
        id=detail["event"],
        kind=_kind(detail),
        position=position,
        persisted_ns=happening.at_ns,
        trailing=bool(detail.get("trailing")),
    )
    if detail["kind"] == "MessageEvent" and detail.get("run") is None:
        ledger.messages.append(position)


def _kind(detail: dict[str, Any]) -> str:
    """Such as `ConversationStateUpdateEvent(execution_status)` or `ActionEvent(finish)`."""
    inner = detail.get("key") or detail.get("tool_name")
    return f"{detail['kind']}({inner})" if inner else str(detail["kind"])


def _run_accepted(ledger: Ledger, _position: int, happening: Happening) -> None:
    run = ledger.runs[happening.detail["run"]] = RunEntry(happening.detail["run"])
    call = _asker(ledger)
    if call is not None:
        call.run, call.refused = run, False


def _run_refused(ledger: Ledger, _position: int, happening: Happening) -> None:
    # Told that a run is on its way (409), the caller waits for that one.
    call = _asker(ledger)
    if call is not None and happening.detail.get("status", 409) == 409 and ledger.runs:
        call.run = ledger.runs[max(ledger.runs)]
        call.refused, call.refused_for = True, call.run


def _asker(ledger: Ledger) -> CallEntry | None:
    """The call that a request to run comes from: the first without a run, or one that was
    refused and asks again.

    The request may still have been on its way when `run()` returned.
    """
    calls = ledger.calls.values()
    for wanted in (
        lambda call: call.ended is None and call.run is None,
        lambda call: call.ended is None and call.refused,
        lambda call: call.run is None,
    ):
        found = next(filter(wanted, calls), None)
        if found is not None:
            return found
    return None


def _status(ledger: Ledger, position: int, happening: Happening) -> None:
    ledger.status = happening.detail["status"]
    if ledger.status == "paused" and happening.detail.get("run") is None:
        for call in ledger.open_calls():
            call.paused = position if call.paused is None else call.paused


def _run_started(ledger: Ledger, position: int, happening: Happening) -> None:
    ledger.runs[happening.detail["run"]].started = position


def _run_ended(ledger: Ledger, position: int, happening: Happening) -> None:
    run = ledger.runs[happening.detail["run"]]
    run.ended = position
    run.status = happening.detail["status"]
    run.done, run.done_ns = position, happening.at_ns


def _snapshot(ledger: Ledger, position: int, happening: Happening) -> None:
    run = ledger.runs.get(happening.detail.get("run") or 0)
    if run is not None:
        run.done, run.done_ns = position, happening.at_ns


def _called(ledger: Ledger, position: int, happening: Happening) -> None:
    number = happening.detail.get("call", 1)
    others = list(ledger.open_calls())
    for other in others:
        other.overlaps = True
    ledger.calls[number] = CallEntry(number, position, happening.at_ns, overlaps=bool(others))


def _ended(ledger: Ledger, position: int, happening: Happening) -> None:
    call = ledger.calls[happening.detail.get("call", 1)]
    call.ended, call.status = position, ledger.status
    call.ended_ns = happening.at_ns


def _close_called(ledger: Ledger, _position: int, happening: Happening) -> None:
    ledger.settled_ns = happening.at_ns


def _act_called(ledger: Ledger, position: int, happening: Happening) -> None:
    if happening.detail["act"] == "close" and ledger.closed is None:
        ledger.closed = position


def _callback(ledger: Ledger, _position: int, happening: Happening) -> None:
    ledger.callbacks.append(happening.detail["event"])


def _subscribed(ledger: Ledger, position: int, _happening: Happening) -> None:
    if ledger.subscribed is None:
        ledger.subscribed = position


def _request(ledger: Ledger, _position: int, happening: Happening) -> None:
    for call in ledger.open_calls():
        request = Request(happening.detail.get("route", ""))
        call.requests[happening.detail["number"]] = request


def _answer(ledger: Ledger, _position: int, happening: Happening) -> None:
    for call in ledger.open_calls():
        request = call.requests.get(happening.detail["number"])
        if request is not None:
            request.status = happening.detail.get("status", 200)


def _rest_fault(ledger: Ledger, _position: int, happening: Happening) -> None:
    for call in ledger.open_calls():
        request = call.requests.get(happening.detail["number"])
        if request is not None:
            request.fault = happening.detail["action"]


def _network_fault(ledger: Ledger, _position: int, happening: Happening) -> None:
    if happening.detail["link"] == "rest":
        for call in ledger.open_calls():
            call.network_fault = True


_ENTRIES: dict[tuple[str, str], Callable[[Ledger, int, Happening], None]] = {
    ("server", "persisted"): _persisted,
    ("server", "run-accepted"): _run_accepted,
    ("server", "run-refused"): _run_refused,
    ("server", "run-started"): _run_started,
    ("server", "status"): _status,
    ("server", "run-ended"): _run_ended,
    ("server", "snapshot"): _snapshot,
    ("client", "run-called"): _called,
    ("client", "run-returned"): _ended,
    ("client", "run-raised"): _ended,
    ("client", "close-called"): _close_called,
    ("client", "act-called"): _act_called,
    ("client", "callback"): _callback,
    ("socket", "subscribed"): _subscribed,
    ("rest", "request"): _request,
    ("rest", "answer"): _answer,
    ("rest", "fault"): _rest_fault,
    ("network", "fault"): _network_fault,
}


def _follow_event(ledger: Ledger, position: int, happening: Happening) -> None:
    """Note the first time that an event of the log was sent, delivered, visible.

    A second pass, since releases up to 1.44 may publish an event before it is persisted.
    """
    name = {
        "frame-sent": "published_ns",
        "frame-delivered": "delivered_ns",
        "visible": "visible_ns",
    }.get(happening.what)
    entry = ledger.log.get(happening.detail.get("event", "")) if name else None
    if name and entry is not None and getattr(entry, name) is None:
        setattr(entry, name, happening.at_ns)
        if name == "published_ns":
            entry.sent = position
