"""The oracle: compares what the caller saw with what the server did, and gives the verdicts.

Pure: it reads the happenings of a trial and the outcome, nothing else. Every call of `run()` is
judged by itself; events and callbacks once, after settling.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from race_harness.model.evidence import Evidence
from race_harness.model.limits import own_delays_ns
from race_harness.model.outcome import CallOutcome, Outcome
from race_harness.model.schedule import Schedule
from race_harness.model.trace import Happening
from race_harness.model.verdict import ORDER, Judgement
from race_harness.oracle.ledger import Ledger, LogEntry, RunEntry

STALL_NS = 10_000_000_000
"""How long `run()` may go on after the server was done, beyond the schedule's own delays."""
PROMISE_NS = 250_000_000
"""How much later or sooner than `run(timeout=...)` says it may give up, beyond those delays."""
SETTLED_NS = 5_000_000_000
"""An event persisted less than this before the end of the settle time is not judged by it."""
PERSISTS = 3
"""So many spoiled answers in a row are a fault that persists, which a client may give in to."""


def judge(schedule: Schedule, happenings: Sequence[Happening], outcome: Outcome) -> Judgement:
    """Give the verdicts of one trial; not for a void one, which has none."""
    ledger = Ledger.of(happenings)
    notes = [
        f"trailing: {entry.kind} persisted after the post-run snapshot"
        for entry in ledger.log.values()
        if entry.trailing
    ]
    notes += [f"counterfactual: {departure}" for departure in schedule.departures()]
    never = [call for call in outcome.calls if call.ended == "never"]
    if never:
        found = Evidence(
            "hang",
            "never-returned",
            call=never[0].number,
            calls=len(outcome.calls),
            stopped=outcome.stopped or "the trial ended first",
        )
        return _judgement([found], notes)
    evidence: list[Evidence] = []
    for call in outcome.calls:
        judged = _Call(schedule, ledger, outcome, call)
        evidence += judged.evidence()
    evidence += _lost(ledger, outcome)
    evidence += _callbacks(ledger, outcome)
    return _judgement(evidence, notes)


def _judgement(evidence: Iterable[Evidence], notes: Sequence[str]) -> Judgement:
    ordered = sorted(evidence, key=lambda entry: ORDER.index(entry.verdict))
    verdicts = tuple(dict.fromkeys(entry.verdict for entry in ordered)) or ("ok",)
    return Judgement(verdicts, tuple(ordered), tuple(notes))


class _Call:
    """The judgement of one call of `run()` that ended."""

    def __init__(
        self, schedule: Schedule, ledger: Ledger, outcome: Outcome, call: CallOutcome
    ) -> None:
        self._schedule = schedule
        self._ledger = ledger
        self._call = call
        self._settled = set(outcome.visible_settled)
        self._calls = len(outcome.calls)
        self._entry = ledger.calls[call.number]
        assert self._entry.ended is not None
        self._ended = self._entry.ended
        self._runs = self._candidates()
        self._run = self._runs[-1] if self._runs else None

    def _found(
        self, verdict: str, fact: str, events: tuple[dict[str, Any], ...] = (), **facts: Any
    ) -> Evidence:
        return Evidence(verdict, fact, events, call=self._call.number, calls=self._calls, **facts)

    def _candidates(self) -> list[RunEntry]:
        """The run that may be its own, or those.

        While several calls are on their way, nobody can tell whose request began which run: each
        that ended meanwhile may be this call's. And so may be the one for which it was refused,
        though it has asked again afterwards.
        """
        entry = self._entry
        own = [entry.run] if entry.run is not None else []
        others = [entry.refused_for] if entry.refused_for is not None else []
        if entry.overlaps:
            others = list(self._ledger.runs.values())
        elif not others:
            return own
        ended = [
            run
            for run in {run.number: run for run in [*others, *own]}.values()
            if run.ended is not None and entry.called < run.ended < self._ended
        ]
        return sorted(ended, key=lambda run: run.ended or 0) or own

    def evidence(self) -> Iterator[Evidence]:
        closed = self._ledger.closed is not None and self._ledger.closed < self._ended
        blocking = self._schedule.caller.blocking
        if self._call.ended == "raised":
            yield from self._raised(closed=closed)
        elif blocking and not closed:
            yield from self._end_of_run()
            yield from self._late()
        if blocking:
            yield from self._stall()

    def _end_of_run(self) -> Iterator[Evidence]:
        run = self._run
        if self._entry.status == "paused" or self._entry.paused is not None:
            return  # As its caller, or another client, has asked, perhaps before the run began.
        if run is None or run.started is None or self._unheard():
            yield self._found("unrun", "no-run")
        elif run.ended is None or run.ended > self._ended:
            begun = run.started < self._ended
            yield self._found("early", "run-not-over", begun=begun)
        elif all(map(_failed, self._runs)):
            yield self._found("spurious-error", "failure-not-raised", status=run.status)

    def _unheard(self) -> bool:
        """Whether the tail of an older run refused it, and so nobody ran for its message."""
        run, called = self._run, self._entry.called
        return (
            not self._entry.overlaps
            and run is not None
            and run.ended is not None
            and any(run.ended < message < called for message in self._ledger.messages)
        )

    def _late(self) -> Iterator[Evidence]:
        visible = set(self._call.visible)
        # What others add after the run, such as the caller's next message, may be on its way; of
        # several that may be its own it may have waited for the first.
        run = self._runs[0] if self._runs else None
        # And whoever has read of a pause does not wait for the rest of the step.
        ends = (self._ended, run.done if run is not None else None, self._entry.paused)
        until = min(position for position in ends if position is not None)
        late = [
            entry
            for entry in self._ledger.log.values()
            if entry.position < until
            and not entry.trailing
            and entry.id not in visible
            and entry.id in self._settled
        ]
        if late:
            yield self._found("late", "seen-late", _facts(late))

    def _raised(self, *, closed: bool) -> Iterator[Evidence]:
        error = self._call.error or ""
        timeout_s = self._schedule.caller.timeout_s
        # By its name or in its words.
        gave_up = "TimeoutError" in error or "timed out" in error
        if gave_up and timeout_s is not None:
            took_ns = self._ended_after_ns()
            if took_ns < timeout_s * 1e9 - PROMISE_NS and not self._excused():
                yield self._found(
                    "spurious-error",
                    "gave-up-early",
                    error=error,
                    after_s=took_ns / 1e9,
                    timeout_s=timeout_s,
                )
            return
        if gave_up or any(map(_failed, self._runs)) or closed or self._excused():
            return
        yield self._found("spurious-error", "raised", error=error)

    def _excused(self) -> bool:
        """Whether the client could not have known better."""
        requests = self._entry.requests.values()
        if self._entry.network_fault or any(request.status is None for request in requests):
            return True
        spoiled = [request for request in requests if request.fault not in (None, "delay")]
        # Whether a run was begun is anybody's guess then; and whoever cannot read the events
        # rather says so than hides it.
        if any(request.route in ("POST run", "GET events/search") for request in spoiled):
            return True
        # A status of the client's own making, such as 401 or 404, is not to be tried again.
        if any(400 <= (r.status or 0) < 500 and r.status not in (408, 429) for r in spoiled):
            return True
        last = [request.fault not in (None, "delay") for request in requests][-PERSISTS:]
        return len(last) == PERSISTS and all(last)

    def _stall(self) -> Iterator[Evidence]:
        timeout_s = self._schedule.caller.timeout_s
        own_ns = own_delays_ns(self._schedule, len(self._ledger.callbacks))
        took_ns = self._ended_after_ns()
        if timeout_s is not None and took_ns > timeout_s * 1e9 + PROMISE_NS + own_ns:
            yield self._found(
                "stall", "timeout-overrun", after_s=took_ns / 1e9, timeout_s=timeout_s
            )
            return
        run = self._run
        if run is None or run.done_ns is None:
            return
        if self._call.ended == "raised" and not any(map(_failed, self._runs)):
            return
        late_ns = self._entry.ended_ns - max(run.done_ns, self._entry.called_ns)
        if late_ns > STALL_NS + own_ns:
            yield self._found(
                "stall",
                "ended-late",
                ended="raised" if self._call.ended == "raised" else "returned",
                after_s=late_ns / 1e9,
            )

    def _ended_after_ns(self) -> int:
        return self._entry.ended_ns - self._entry.called_ns


def _failed(run: RunEntry) -> bool:
    return run.status in ("error", "stuck")


def _lost(ledger: Ledger, outcome: Outcome) -> list[Evidence]:
    settled = set(outcome.visible_settled)
    lost = [
        entry
        for entry in _settled_entries(ledger)
        if not entry.trailing and entry.id not in settled
    ]
    if not lost:
        return []
    return [Evidence("lost", "never-seen", _facts(lost))]


def _settled_entries(ledger: Ledger) -> list[LogEntry]:
    """Events that had the time to become visible before the settle time was over."""
    if ledger.closed is not None:
        return []  # Nobody promises events to a caller that has closed.
    latest_ns = ledger.settled_ns - SETTLED_NS
    return [
        entry
        for entry in ledger.log.values()
        if entry.persisted_ns <= max(latest_ns, ledger.returned_ns)
    ]


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
        evidence.append(Evidence("missed-callback", "no-callback", _facts(missed)))
    doubled = [entry for entry in ledger.log.values() if given[entry.id] > 1]
    if doubled:
        evidence.append(Evidence("duplicate-callback", "given-twice", _facts(doubled)))
    for fact, order in (
        ("callbacks-swapped", list(dict.fromkeys(ledger.callbacks))),
        ("events-swapped", list(outcome.visible_settled)),
    ):
        swapped = _out_of_order(order, ledger.log)
        if swapped:
            evidence.append(Evidence("out-of-order", fact, _facts(swapped)))
    return evidence


def _out_of_order(order: Sequence[str], log: dict[str, LogEntry]) -> list[LogEntry]:
    """Events of the log that came after a later one, though the server had sent them before it."""
    swapped = []
    before: list[LogEntry] = []
    for event in order:
        entry = log.get(event)
        if entry is None:
            continue
        later = (other for other in before if other.position > entry.position)
        if any(not _overtaken(entry, other) for other in later):
            swapped.append(entry)
        before.append(entry)
    return swapped


def _overtaken(entry: LogEntry, later: LogEntry) -> bool:
    """Whether the server itself sent the later one first."""
    return entry.sent is not None and later.sent is not None and later.sent < entry.sent


def _facts(entries: Sequence[LogEntry]) -> tuple[dict[str, Any], ...]:
    return tuple(entry.facts() for entry in entries)
