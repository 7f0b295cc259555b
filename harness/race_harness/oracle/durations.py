"""Finds what took too long, `run()` aside: acts, requests, and events on their way. Pure.

A client or a server may be late by the delays of the schedule itself, plus STALL_NS. The times
that the agent thinks and its tools run are no excuse here: no pause, poll or event has a reason to
wait for them.
"""

from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import Final, Literal

from race_harness.model.evidence import Evidence
from race_harness.model.limits import RETRY_S, own_delays_ns, rest_latency_ns
from race_harness.model.schedule import Schedule
from race_harness.oracle.entries import ActEntry, CallEntry, Doing, LogEntry, OpenRequest
from race_harness.oracle.ledger import OWN_ROUTES, Ledger

STALL_NS: Final = 10_000_000_000
"""Trial nanoseconds that anything may take beyond the schedule's own delays."""

Name = Callable[[Doing], str]
Holder = Literal["client", "server"]
Span = tuple[int, float]
"""Begin and end, in trial nanoseconds."""


def stalls(schedule: Schedule, ledger: Ledger, name: Name) -> Iterator[Evidence]:
    """Yield what took too long, and which side held it up; `name` names an act or a call."""
    judged = _Durations(schedule, ledger)
    doings: list[ActEntry | CallEntry] = [*ledger.acts]
    if not schedule.caller.blocking:
        doings += ledger.calls.values()
    for doing in doings:
        yield from judged.of_act(doing, name(doing))
    yield from judged.of_requests()
    yield from judged.of_frames()
    yield from judged.of_visibility()


class _Durations:
    def __init__(self, schedule: Schedule, ledger: Ledger) -> None:
        self._schedule = schedule
        self._ledger = ledger
        self._requests = [*ledger.requests.values()]
        self._told: set[str | None] = set()
        """Routes of the acts that have been reported."""
        self._late_ns = round(sum(late.for_ms for late in schedule.server.late) * 1e6)

    def of_act(self, doing: ActEntry | CallEntry, name: str) -> Iterator[Evidence]:
        if doing.ended is None or doing.silenced:
            return
        # If the schedule lets no answer come, the client may wait as long as it likes.
        lost = [_span(one) for one in self._requests if one.fault == "timeout"]
        took_ns = doing.ended_ns - doing.called_ns
        # And as long as nothing can be written, nothing can be done.
        lost += self._ledger.full
        took_ns -= _within(lost, doing.called_ns, doing.ended_ns)
        if took_ns <= STALL_NS:
            return
        spoiled = sum(request.fault not in (None, "delay") for request in doing.requests.values())
        own_ns = self._ledger.own_delays_ns(self._schedule)
        own_ns += rest_latency_ns(self._schedule) * len(doing.requests)
        own_ns += round(spoiled * RETRY_S * 1e9)
        if took_ns - own_ns <= STALL_NS:
            return
        # In early releases the answer to `POST run` came after the run, but no act waits for that.
        # Until a frame arrives, it is the server that holds up whoever waits for it.
        is_call = isinstance(doing, CallEntry)
        asked = [one for one in self._requests if is_call or one.route != "POST run"]
        waits = [_span(one) for one in asked if one.fault != "timeout"]
        waits += [
            (entry.persisted_ns, entry.delivered_ns)
            for entry in self._ledger.log.values()
            if entry.delivered_ns is not None
        ]
        held_ns = _within(waits, doing.called_ns, doing.ended_ns)
        by: Holder = "client" if took_ns - own_ns - held_ns > STALL_NS else "server"
        self._told.add(OWN_ROUTES.get(getattr(doing, "act", "")))
        yield _stall("act-held", by, name, took_ns)

    def of_requests(self) -> Iterator[Evidence]:
        """Requests that the server held up, since a request's times show nothing of the client.

        Not those of acts that are reported already, nor `POST run`, which early releases answered
        after the run.
        """
        longest: dict[str, int] = {}
        for span in self._requests:
            if span.route in self._told or span.route == "POST run" or span.silenced:
                continue
            if span.fault == "timeout":
                continue
            ended_ns = self._ledger.ended_ns if span.ended_ns is None else span.ended_ns
            held_ns = ended_ns - span.asked_ns - span.delay_ns - self._late_ns
            held_ns -= self._ledger.busy_ns
            if held_ns > STALL_NS:
                longest[span.route] = max(held_ns, longest.get(span.route, 0))
        for route, held_ns in longest.items():
            yield _stall("request-held", "server", route, held_ns)

    def of_frames(self) -> Iterator[Evidence]:
        """Events that were published late, although a socket was connected all the time."""
        server = self._schedule.server
        each_ms = server.persist_ms + server.publish_ms + server.snapshot_ms
        own_ns = own_delays_ns(self._schedule, busy_ns=self._ledger.busy_ns)
        own_ns += round((each_ms + server.other_subscriber_ms) * len(self._ledger.log) * 1e6)
        held = [
            (entry, entry.published_ns - entry.persisted_ns)
            for entry in self._ledger.log.values()
            if entry.published_ns is not None
            and entry.published_ns - entry.persisted_ns - own_ns > STALL_NS
            and self._ledger.heard(entry.persisted_ns, entry.published_ns)
        ]
        yield from _frames("frame-late", "server", held)

    def of_visibility(self) -> Iterator[Evidence]:
        """Events that were shown, or given to the callback, late, although their frame had come
        and the run was still going on."""
        own_ns = self._ledger.own_delays_ns(self._schedule)
        waits = [_span(one) for one in self._requests]
        held = []
        came_ns = 0
        for entry in self._ledger.log.values():
            reached_ns = max(entry.visible_ns or 0, self._ledger.given_ns.get(entry.id, 0))
            # A client that keeps the log's order cannot show an event before its predecessors.
            came_ns = max(came_ns, entry.delivered_ns or 0)
            if entry.delivered_ns is None or reached_ns - came_ns <= STALL_NS + own_ns:
                continue
            if not self._running(came_ns + STALL_NS + own_ns):
                continue  # The judgement of run() covers what is late at its end.
            if self._ledger.is_silent(came_ns, reached_ns):
                continue
            # Some clients read over REST what a frame has announced.
            if reached_ns - came_ns - own_ns - _within(waits, came_ns, reached_ns) > STALL_NS:
                held.append((entry, reached_ns - came_ns))
        yield from _frames("shown-late", "client", held)

    def _running(self, at_ns: int) -> bool:
        return any(
            run.started_ns is not None
            and run.started_ns <= at_ns
            and (run.ended_ns is None or at_ns < run.ended_ns)
            for run in self._ledger.runs.values()
        )


def _span(request: OpenRequest) -> Span:
    return request.asked_ns, inf if request.ended_ns is None else request.ended_ns


def _within(spans: Iterable[Span], begin_ns: int, end_ns: int) -> int:
    """Return for how much of that time at least one of the spans goes on."""
    total_ns, covered_ns = 0, begin_ns
    for asked_ns, ended_ns in sorted(spans):
        last_ns = round(min(ended_ns, end_ns))
        first_ns = max(asked_ns, covered_ns)
        if last_ns > first_ns:
            total_ns += last_ns - first_ns
            covered_ns = last_ns
    return total_ns


def _frames(fact: str, by: Holder, held: list[tuple[LogEntry, int]]) -> Iterator[Evidence]:
    if held:
        events = tuple(entry.facts() for entry, _ in held)
        yield _stall(fact, by, None, max(took_ns for _, took_ns in held), events)


def _stall(
    fact: str,
    by: Holder,
    act: str | None,
    took_ns: int,
    events: tuple[dict[str, object], ...] = (),
) -> Evidence:
    verdict = "stall" if by == "client" else "server-stall"
    return Evidence(verdict, fact, events, act=act, after_s=took_ns / 1e9, by=by)
