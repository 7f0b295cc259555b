"""The oracle: compares what the caller saw with what the server did, and gives the verdicts.

Pure: it reads the happenings of a trial and the outcome, nothing else. Positions in the trace,
not times, decide what came before what, because much happens at one instant of virtual time.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.program import Outcome
from harness.schedule import Schedule
from harness.trace import Happening
from harness.verdict import ORDER, Evidence, Judgement

STALL_NS = 10_000_000_000
"""How long `run()` may go on after the server was done, beyond the schedule's own delays."""
SETTLED_NS = 5_000_000_000
"""An event persisted less than this before the end of the settle time is not judged by it."""


@dataclass(slots=True)
class LogEntry:
    """One persisted event and what became of it. Times are trial nanoseconds."""

    id: str
    kind: str
    position: int
    persisted_ns: int
    trailing: bool
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
class Run:
    """One run of the agent on the server. Positions in the trace."""

    number: int
    started: int | None = None
    ended: int | None = None
    status: str | None = None
    done_ns: int | None = None
    """When the post-run snapshot was published, or else the last status assigned."""


@dataclass
class Ledger:
    """The trace of a trial, sorted by what the oracle asks."""

    log: dict[str, LogEntry] = field(default_factory=dict)
    runs: dict[int, Run] = field(default_factory=dict)
    callbacks: list[str] = field(default_factory=list)
    called: int | None = None
    returned: int | None = None
    returned_ns: int = 0
    settled_ns: int = 0
    subscribed: int | None = None
    run_of_call: Run | None = None
    unanswered: set[int] = field(default_factory=set)
    """REST requests without an answer when `run()` ended."""
    rest_faults: bool = False
    stalled_ms: float = 0.0
    """How long the client's threads were stalled at lines, all together."""

    @staticmethod
    def of(happenings: Sequence[Happening]) -> "Ledger":
        ledger = Ledger()
        for position, happening in enumerate(happenings):
            enter = _ENTRIES.get((happening.lane, happening.what))
            if enter is not None:
                enter(ledger, position, happening)
        for happening in happenings:
            _follow_event(ledger, happening)
        return ledger


def _persisted(ledger: Ledger, position: int, happening: Happening) -> None:
    detail = happening.detail
    ledger.log[detail["event"]] = LogEntry(
        id=detail["event"],
        kind=_kind(detail),
        position=position,
        persisted_ns=happening.at_ns,
        trailing=bool(detail.get("trailing")),
    )


def _kind(detail: dict[str, Any]) -> str:
    """Such as `ConversationStateUpdateEvent(execution_status)` or `ActionEvent(finish)`."""
    inner = detail.get("key") or detail.get("tool_name")
    return f"{detail['kind']}({inner})" if inner else str(detail["kind"])


def _run_accepted(ledger: Ledger, _position: int, happening: Happening) -> None:
    run = ledger.runs[happening.detail["run"]] = Run(happening.detail["run"])
    # The request may still have been on its way when run() returned.
    if ledger.called is not None and (ledger.returned is None or ledger.run_of_call is None):
        ledger.run_of_call = run


def _run_refused(ledger: Ledger, _position: int, _happening: Happening) -> None:
    # Told that a run is on its way (409), the caller waits for that one.
    if ledger.called is not None and ledger.run_of_call is None and ledger.runs:
        ledger.run_of_call = ledger.runs[max(ledger.runs)]


def _run_started(ledger: Ledger, position: int, happening: Happening) -> None:
    ledger.runs[happening.detail["run"]].started = position


def _run_ended(ledger: Ledger, position: int, happening: Happening) -> None:
    run = ledger.runs[happening.detail["run"]]
    run.ended = position
    run.status = happening.detail["status"]
    run.done_ns = happening.at_ns


def _snapshot(ledger: Ledger, _position: int, happening: Happening) -> None:
    run = ledger.runs.get(happening.detail.get("run") or 0)
    if run is not None:
        run.done_ns = happening.at_ns


def _called(ledger: Ledger, position: int, _happening: Happening) -> None:
    ledger.called = position


def _returned(ledger: Ledger, position: int, happening: Happening) -> None:
    ledger.returned = position
    ledger.returned_ns = happening.at_ns


def _close_called(ledger: Ledger, _position: int, happening: Happening) -> None:
    ledger.settled_ns = happening.at_ns


def _callback(ledger: Ledger, _position: int, happening: Happening) -> None:
    ledger.callbacks.append(happening.detail["event"])


def _subscribed(ledger: Ledger, position: int, _happening: Happening) -> None:
    if ledger.subscribed is None:
        ledger.subscribed = position


def _request(ledger: Ledger, _position: int, happening: Happening) -> None:
    if ledger.returned is None:
        ledger.unanswered.add(happening.detail["number"])


def _answer(ledger: Ledger, _position: int, happening: Happening) -> None:
    if ledger.returned is None:
        ledger.unanswered.discard(happening.detail["number"])


def _fault(ledger: Ledger, _position: int, happening: Happening) -> None:
    if happening.detail["link"] == "rest" and ledger.returned is None:
        ledger.rest_faults = True


def _line_stalled(ledger: Ledger, _position: int, happening: Happening) -> None:
    ledger.stalled_ms += happening.detail["for_ms"]


_ENTRIES: dict[tuple[str, str], Callable[[Ledger, int, Happening], None]] = {
    ("server", "persisted"): _persisted,
    ("server", "run-accepted"): _run_accepted,
    ("server", "run-refused"): _run_refused,
    ("server", "run-started"): _run_started,
    ("server", "run-ended"): _run_ended,
    ("server", "snapshot"): _snapshot,
    ("client", "run-called"): _called,
    ("client", "run-returned"): _returned,
    ("client", "run-raised"): _returned,
    ("client", "close-called"): _close_called,
    ("client", "callback"): _callback,
    ("socket", "subscribed"): _subscribed,
    ("rest", "request"): _request,
    ("rest", "answer"): _answer,
    ("network", "fault"): _fault,
    ("client", "line-stalled"): _line_stalled,
}


def _follow_event(ledger: Ledger, happening: Happening) -> None:
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


def judge(schedule: Schedule, happenings: Sequence[Happening], outcome: Outcome) -> Judgement:
    """Give the verdicts of one trial; not for a void one, which has none."""
    ledger = Ledger.of(happenings)
    notes = [
        f"trailing: {entry.kind} persisted after the post-run snapshot"
        for entry in ledger.log.values()
        if entry.trailing
    ]
    if outcome.ended == "never":
        why = outcome.stopped or "the trial ended first"
        evidence = [Evidence("hang", f"run() never returned ({why})")]
        return _judgement(evidence, notes)
    evidence = []
    if outcome.ended == "returned":
        evidence += _end_of_run(ledger)
        evidence += _at_return(ledger, outcome)
        evidence += _stall(schedule, ledger)
    else:
        evidence += _raised(ledger, outcome)
    evidence += _lost(ledger, outcome)
    evidence += _callbacks(ledger, outcome)
    return _judgement(evidence, notes)


def _judgement(evidence: Iterable[Evidence], notes: Sequence[str]) -> Judgement:
    ordered = sorted(evidence, key=lambda entry: ORDER.index(entry.verdict))
    verdicts = tuple(dict.fromkeys(entry.verdict for entry in ordered)) or ("ok",)
    return Judgement(verdicts, tuple(ordered), tuple(notes))


def _end_of_run(ledger: Ledger) -> list[Evidence]:
    run = ledger.run_of_call
    assert ledger.returned is not None
    if run is None or run.started is None:
        return [Evidence("unrun", "run() returned and the server never began a run for it")]
    if run.ended is None or run.ended > ledger.returned:
        begun = run.started < ledger.returned
        state = "was still going on" if begun else "had not begun"
        return [Evidence("early", f"run() returned while the server's run {state}")]
    if run.status in ("error", "stuck"):
        says = f"run() returned as if all were well, but the run ended in {run.status!r}"
        return [Evidence("spurious-error", says)]
    return []


def _at_return(ledger: Ledger, outcome: Outcome) -> list[Evidence]:
    assert ledger.returned is not None
    at_return, settled = set(outcome.visible_at_return), set(outcome.visible_settled)
    late = [
        entry
        for entry in ledger.log.values()
        if entry.position < ledger.returned
        and not entry.trailing
        and entry.id not in at_return
        and entry.id in settled
    ]
    if not late:
        return []
    says = f"{_count(late)} persisted before run() returned, visible only afterwards"
    return [Evidence("late", says, _facts(late))]


def _lost(ledger: Ledger, outcome: Outcome) -> list[Evidence]:
    settled = set(outcome.visible_settled)
    lost = [
        entry
        for entry in _settled_entries(ledger)
        if not entry.trailing and entry.id not in settled
    ]
    if not lost:
        return []
    return [Evidence("lost", f"{_count(lost)} persisted and never visible", _facts(lost))]


def _settled_entries(ledger: Ledger) -> list[LogEntry]:
    """Events that had the time to become visible before the settle time was over."""
    latest_ns = ledger.settled_ns - SETTLED_NS
    return [
        entry
        for entry in ledger.log.values()
        if entry.persisted_ns <= max(latest_ns, ledger.returned_ns)
    ]


def _raised(ledger: Ledger, outcome: Outcome) -> list[Evidence]:
    run = ledger.run_of_call
    error = outcome.error or ""
    if "TimeoutError" in error or ledger.rest_faults or ledger.unanswered:
        return []  # the client could not have known better
    if run is not None and run.status in ("error", "stuck"):
        return []
    return [Evidence("spurious-error", f"run() raised {error!r} although the run did not fail")]


def _stall(schedule: Schedule, ledger: Ledger) -> list[Evidence]:
    run = ledger.run_of_call
    if run is None or run.done_ns is None:
        return []
    late_ns = ledger.returned_ns - run.done_ns
    if late_ns <= STALL_NS + _own_delays_ns(schedule, ledger):
        return []
    says = f"run() returned {late_ns / 1e9:.1f} s after the server was done"
    return [Evidence("stall", says)]


def _own_delays_ns(schedule: Schedule, ledger: Ledger) -> int:
    """What the schedule itself adds between the server's end and the client's knowing."""
    network, caller = schedule.network, schedule.caller
    links_ms = sum(link.latency_ms + link.jitter_ms for link in (network.rest, network.socket))
    stalls_ms = sum(fault.for_ms for fault in network.faults if fault.action == "stall")
    callbacks_ms = caller.callback_ms * len(ledger.callbacks)
    return round((4 * links_ms + stalls_ms + ledger.stalled_ms + callbacks_ms) * 1e6)


def _callbacks(ledger: Ledger, outcome: Outcome) -> list[Evidence]:
    evidence = []
    settled = set(outcome.visible_settled)
    given = Counter(ledger.callbacks)
    # What was persisted before the client subscribed is history: nobody promised a callback.
    expected = [
        entry
        for entry in _settled_entries(ledger)
        if ledger.subscribed is not None and entry.position > ledger.subscribed
    ]
    missed = [e for e in expected if e.id in settled and not e.trailing and not given[e.id]]
    if missed:
        says = f"{_count(missed)} in state.events that no callback was given"
        evidence.append(Evidence("missed-callback", says, _facts(missed)))
    doubled = [entry for entry in ledger.log.values() if given[entry.id] > 1]
    if doubled:
        says = f"{_count(doubled)} given to the callback more than once"
        evidence.append(Evidence("duplicate-callback", says, _facts(doubled)))
    for what, order in (
        ("callbacks came", list(dict.fromkeys(ledger.callbacks))),
        ("state.events is", list(outcome.visible_settled)),
    ):
        swapped = _out_of_order(order, ledger.log)
        if swapped:
            says = f"{what} in another order than the server's log"
            evidence.append(Evidence("out-of-order", says, _facts(swapped)))
    return evidence


def _out_of_order(order: Sequence[str], log: dict[str, LogEntry]) -> list[LogEntry]:
    """Events of the log that came after a later one."""
    swapped = []
    latest = -1
    for event in order:
        entry = log.get(event)
        if entry is None:
            continue
        if entry.position < latest:
            swapped.append(entry)
        latest = max(latest, entry.position)
    return swapped


def _count(entries: Sequence[LogEntry]) -> str:
    return f"{len(entries)} event{'s' if len(entries) != 1 else ''}"


def _facts(entries: Sequence[LogEntry]) -> tuple[dict[str, Any], ...]:
    return tuple(entry.facts() for entry in entries)
