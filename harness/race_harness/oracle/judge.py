"""The oracle: compares what the caller saw with what the server did, and gives the verdicts.

Pure: it reads the happenings of a trial and the outcome, and nothing else. It judges every call of
`run()` and every other act separately, and events and callbacks once, after settling.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import inf
from typing import Any

from race_harness.model.evidence import Evidence
from race_harness.model.limits import rest_latency_ns, round_trips_ns
from race_harness.model.outcome import CallOutcome, Outcome
from race_harness.model.schedule import Schedule
from race_harness.model.trace import Happening
from race_harness.model.verdict import ORDER, PASSING, Judgement
from race_harness.oracle.bookkeeping import ledger_of
from race_harness.oracle.durations import STALL_NS, stalls
from race_harness.oracle.entries import ActEntry, Doing, RunEntry, facts_of
from race_harness.oracle.excuses import READS_STATE, excuse, failure, refusal
from race_harness.oracle.ledger import LAST_CLOSE, OWN_ROUTES, Ledger
from race_harness.oracle.state import stale
from race_harness.oracle.views import of_client, of_watcher

PROMISE_NS = 250_000_000
"""How much earlier or later than `run(timeout=...)` says a call may give up, beyond the schedule's
own delays."""
DISK_FULL = "the disk of the server's machine was full"
CLOSED = "the conversation was closed"
SLOW_NS = 5_000_000_000
"""A client may give up on a request for which the network alone takes so long."""
_ROUTES = {**OWN_ROUTES, "state": READS_STATE}


def judge(schedule: Schedule, happenings: Sequence[Happening], outcome: Outcome) -> Judgement:
    """Return the verdicts of one trial, which must not be void."""
    ledger = ledger_of(happenings)
    notes = [
        f"trailing: {entry.kind} persisted after the post-run snapshot"
        for entry in ledger.log.values()
        if entry.trailing
    ]
    notes += [f"counterfactual: {departure}" for departure in schedule.departures()]
    if outcome.undone:
        notes.append(f"asked for, and did not happen: {', '.join(outcome.undone)}")
    hang = _hang(ledger, outcome)
    if hang is not None:
        return _judgement([hang], notes)
    evidence: list[Evidence] = []
    for call in outcome.calls:
        judged = _Call(schedule, ledger, outcome, call)
        evidence += judged.evidence()
    evidence += _acts(schedule, ledger, outcome)
    if schedule.caller.reads_own_message:
        evidence += _own_messages(ledger)
    evidence += stalls(schedule, ledger, _name)
    evidence += of_client(ledger, outcome.visible_settled)
    evidence += stale(schedule, ledger)
    for number, view in ledger.views.items():
        evidence += of_watcher(schedule, ledger, number, view)
    return _judgement(evidence, notes)


def _judgement(evidence: Iterable[Evidence], notes: Sequence[str]) -> Judgement:
    ordered = sorted(evidence, key=lambda entry: ORDER.index(entry.verdict))
    failed = [entry for entry in ordered if entry.verdict not in PASSING]
    if failed:
        # A finding that passes is no part of what went wrong.
        notes = [*notes, *(f"{e.verdict}: {e.says}" for e in ordered if e.verdict in PASSING)]
        ordered = failed
    verdicts = tuple(dict.fromkeys(entry.verdict for entry in ordered)) or ("ok",)
    return Judgement(verdicts, tuple(ordered), tuple(notes))


def _hang(ledger: Ledger, outcome: Outcome) -> Evidence | None:
    stopped = outcome.stopped or "the trial ended first"
    calls = len(outcome.calls)
    for call in outcome.calls:
        if call.ended == "never":
            run = ledger.calls[call.number].run
            if run is not None and run.lost and run.ended is None and ledger.status == "running":
                # The status was on the server's disk, and nothing changes it (up to 1.7.3).
                return Evidence("server-stall", "left-running", call=call.number, calls=calls)
            if run is not None and run.unwritten and ledger.status == "running":
                # In its memory, too (up to 1.24).
                return Evidence("server-stall", "left-unsaved", call=call.number, calls=calls)
            return Evidence(
                "hang", "never-returned", call=call.number, calls=calls, stopped=stopped
            )
    if outcome.stopped is None:
        return None
    for act in ledger.acts:
        if act.ended is None:
            return Evidence("hang", "act-never-returned", act=_name(act), stopped=stopped)
    return None


def _acts(schedule: Schedule, ledger: Ledger, outcome: Outcome) -> Iterator[Evidence]:
    """Judge the errors of all that the caller did besides `run()`."""
    for act in ledger.acts:
        if act.error is None:
            continue
        own = [_ROUTES[act.act]] if act.act in _ROUTES else []
        why = excuse(act, own) or refusal(act, own) or _slow(schedule, ledger, act)
        why = why or _socket_fault(ledger, act)
        if ledger.closed is not None and ledger.closed < (act.ended or act.called):
            why = why or (CLOSED if ledger.closed != act.called else None)
        yield Evidence(
            "spurious-error" if why is None else "explained",
            "act-raised",
            act=_name(act),
            error=act.error,
            reason=why,
            undone=outcome.undone if act.act == "send-message" else (),
        )


def _slow(schedule: Schedule, ledger: Ledger, act: ActEntry) -> str | None:
    """Return an excuse if the client's time limit is shorter than the network's delay."""
    error = act.error or ""
    timed_out = "Timeout" in error or "timed out" in error
    slow = rest_latency_ns(schedule) + ledger.busy_ns >= SLOW_NS
    return "the REST connection is slow" if slow and timed_out else None


def _socket_fault(ledger: Ledger, act: ActEntry) -> str | None:
    """Return an excuse if the socket was disturbed, and the client does its acts over the socket.

    A client that has sent anything over REST does not.
    """
    acts_over_rest = OWN_ROUTES.values()
    over_rest = any(request.route in acts_over_rest for request in ledger.requests.values())
    disturbed = any(position < (act.ended or 0) for position in ledger.socket_faults)
    return "the socket was disturbed" if disturbed and not over_rest else None


def _own_messages(ledger: Ledger) -> Iterator[Evidence]:
    """Yield messages that were not visible when their `send_message()` returned, only later."""
    for position, event in ledger.messages.items():
        # If several were sent at once, this may be the message of any of them.
        senders = [
            act
            for act in ledger.acts
            if act.act == "send-message"
            and act.error is None
            and act.ended is not None
            and act.called < position < act.ended
        ]
        seen = ledger.log[event].seen
        if senders and seen is not None and all(seen > (act.ended or 0) for act in senders):
            facts = facts_of([ledger.log[event]])
            yield Evidence("late", "own-message-late", facts, act=_name(senders[0]))


def _name(doing: Doing) -> str:
    """Return the name that the program's author knows."""
    act = doing.act if isinstance(doing, ActEntry) else "run"
    if act == "state":
        return "reading the state"
    return f"{'close' if act == LAST_CLOSE else act.replace('-', '_')}()"


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
        """Return the run, or the runs, that may be this call's.

        While several calls are going on, nobody can tell whose request began which run: each run
        that ended during the call may be its own. So may the run for which the server refused it,
        even if the call then asked again.
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
            if run.ended is not None
            and run.ended < self._ended
            # For somebody else's run, the log may show its end a little later.
            and entry.called < ((run.told if run.of_other else None) or run.ended)
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
            return  # Its caller, or another client, asked for that, perhaps before the run began.
        if run is None or run.started is None or self._unheard():
            yield self._found("unrun", "no-run")
        elif run.ended is None and run.lost:
            yield self._found("spurious-error", "run-lost")
        elif run.ended is None or run.ended > self._ended:
            begun = run.started < self._ended
            yield self._found("early", "run-not-over", begun=begun)
        elif self._is_unwritten():
            return  # Whoever goes by the log does not know of the failure.
        elif all(_failed(run) and not run.is_stale for run in self._runs):
            yield self._found("spurious-error", "failure-not-raised", status=run.status)

    def _unheard(self) -> bool:
        """Whether the tail of an older run refused the call, so that no run saw its message."""
        run, called = self._run, self._entry.called
        return (
            not self._entry.overlaps
            and run is not None
            and run.ended is not None
            and any(run.ended < message < called for message in self._ledger.messages)
        )

    def _late(self) -> Iterator[Evidence]:
        visible = set(self._call.visible)
        # Events after the end of the run may still be on their way. If several runs may be the
        # call's own, it may have waited for the first.
        run = self._runs[0] if self._runs else None
        # A client that has learnt of a pause does not wait for the rest of the step.
        ends = (self._ended, run.done if run is not None else None, self._entry.paused)
        until = min(position for position in ends if position is not None)
        late = [
            entry
            for entry in self._ledger.log.values()
            if entry.position < until
            and not (_is_over(run, entry.position) and entry.run is None)
            and not entry.trailing
            and entry.id not in visible
            and entry.id in self._settled
        ]
        if late:
            yield self._found("late", "seen-late", facts_of(late))

    def _raised(self, *, closed: bool) -> Iterator[Evidence]:
        error = self._call.error or ""
        timeout_s = self._schedule.caller.timeout_s
        # The error's name may say so, or its message.
        gave_up = "TimeoutError" in error or "timed out" in error
        own_ns = self._ledger.own_delays_ns(self._schedule)
        if any(map(_failed, self._runs)):
            return  # It should raise.
        why = CLOSED if closed else excuse(self._entry, ["POST run"])
        if why is None and self._ledger.full:
            why = DISK_FULL if self._is_unwritten() else failure(self._entry, ["POST run"])
        done_ns = self._run.done_ns if self._run is not None else None
        if self._is_unwritten():
            done_ns = None
        late_ns = -inf if done_ns is None else self._entry.ended_ns - done_ns - own_ns
        # It may poll rarely, and have timed out just before the next poll.
        if why is None and gave_up and timeout_s is None and late_ns <= STALL_NS:
            why = "the run was not over, and the client has a timeout of its own"
        if gave_up and timeout_s is not None:
            took_ns = self._ended_after_ns()
            in_time = took_ns >= timeout_s * 1e9 - PROMISE_NS
            if in_time and late_ns <= STALL_NS:
                return
            if in_time:
                after_s = (self._entry.ended_ns - (done_ns or 0)) / 1e9
                found = self._found("stall", "ended-late", ended="raised", after_s=after_s)
            else:
                found = self._found(
                    "spurious-error",
                    "gave-up-early",
                    error=error,
                    after_s=took_ns / 1e9,
                    timeout_s=timeout_s,
                )
        else:
            found = self._found("spurious-error", "raised", error=error)
        yield found if why is None else replace(found, verdict="explained", reason=why)

    def _stall(self) -> Iterator[Evidence]:
        if self._ledger.gone:
            return  # It may look as long as it likes for a conversation that no longer exists.
        timeout_s = self._schedule.caller.timeout_s
        own_ns = self._ledger.own_delays_ns(self._schedule)
        took_ns = self._ended_after_ns()
        if timeout_s is not None and took_ns > timeout_s * 1e9 + PROMISE_NS + own_ns:
            yield self._found(
                "stall", "timeout-overrun", after_s=took_ns / 1e9, timeout_s=timeout_s
            )
            return
        run = self._run
        if run is None or run.done_ns is None or self._busy_with_others() or self._is_unwritten():
            return
        if self._call.ended == "raised" and not any(map(_failed, self._runs)):
            return
        late_ns = self._entry.ended_ns - max(run.done_ns, self._entry.called_ns)
        # Its requests after the end of the run also cross the network.
        asked = sum(one.asked_ns >= run.done_ns for one in self._entry.requests.values())
        own_ns += round_trips_ns(self._schedule, asked)
        if late_ns > STALL_NS + own_ns:
            yield self._found(
                "stall",
                "ended-late",
                ended="raised" if self._call.ended == "raised" else "returned",
                after_s=late_ns / 1e9,
            )

    def _is_unwritten(self) -> bool:
        """Whether nobody may have told it of the end: how soon it looks is its own affair."""
        return any(run.unwritten for run in self._runs)

    def _busy_with_others(self) -> bool:
        """Whether somebody else's run was going on when the call ended: then nobody can tell when
        the call could have known that its own run had ended."""
        return any(
            run.ended is None or run.ended > self._ended
            for run in self._ledger.runs_of_others_during(self._entry)
        )

    def _ended_after_ns(self) -> int:
        return self._entry.ended_ns - self._entry.called_ns


def _is_over(run: RunEntry | None, position: int) -> bool:
    """Whether the run had ended by then. What others add between its end and its snapshot, such as
    a message from another thread, is not part of it."""
    return run is not None and run.ended is not None and run.ended < position


def _failed(run: RunEntry) -> bool:
    return run.status in ("error", "stuck")
