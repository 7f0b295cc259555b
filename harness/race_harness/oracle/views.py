"""Judges what the client, and each further one, shows at the end. Pure.

It must show every event, once, in order, and must have given each to its callback.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf

from race_harness.model.evidence import Evidence
from race_harness.model.schedule import Schedule
from race_harness.oracle.entries import LogEntry, WatcherEntry, facts_of
from race_harness.oracle.ledger import Ledger
from race_harness.oracle.state import QUIET_NS, differing

SETTLED_NS = 5_000_000_000
"""An event persisted less than this before the end of the settle time need not be visible."""


def of_client(ledger: Ledger, shown: Sequence[str]) -> Iterator[Evidence]:
    """Judge the client that calls `run()`."""
    # Nobody promises a callback for events that were persisted before the client subscribed.
    since = inf if ledger.subscribed is None else ledger.subscribed
    yield from _lost(ledger, shown)
    yield from _callbacks(ledger, shown, ledger.callbacks, since)


def of_watcher(
    schedule: Schedule, ledger: Ledger, number: int, view: WatcherEntry
) -> Iterator[Evidence]:
    """Judge another client in the conversation."""
    for found in _of_watcher(schedule, ledger, view):
        yield replace(found, client=number)


def _of_watcher(schedule: Schedule, ledger: Ledger, view: WatcherEntry) -> Iterator[Evidence]:
    if view.error is not None:
        reason = None
        if view.server_was_away:
            reason = "the server was away"
        elif "Timeout" in view.error or "timed out" in view.error:
            reason = "the server was busy"
        yield Evidence(
            "explained" if reason else "spurious-error",
            "act-raised",
            act="attaching",
            error=view.error,
            reason=reason,
        )
    if view.attached is None or view.shown is None:
        return
    if view.shown_ns - view.attached_ns < SETTLED_NS + ledger.own_delays_ns(schedule):
        return  # It has only just attached.
    yield from _lost(ledger, view.shown)
    yield from _callbacks(ledger, view.shown, view.given, view.attached)
    times = Counter(view.shown)
    twice = [entry for entry in ledger.log.values() if times[entry.id] > 1]
    if twice:
        yield Evidence("duplicate-callback", "shown-twice", facts_of(twice))
    quiet_ns = view.shown_ns - QUIET_NS - ledger.own_delays_ns(schedule)
    if view.values is not None and ledger.quiet_since(quiet_ns) and not ledger.unsaved:
        differences = differing(view.values, view.errors, ledger.truth)
        if differences:
            yield Evidence("stale-state", "state-differs", differences=tuple(differences))


def _lost(ledger: Ledger, shown: Sequence[str]) -> Iterator[Evidence]:
    settled = set(shown)
    lost = [
        entry
        for entry in _settled_entries(ledger)
        if not entry.trailing and entry.id not in settled
    ]
    if lost and not ledger.gone:
        yield Evidence("lost", "never-seen", facts_of(lost))


def _settled_entries(ledger: Ledger) -> list[LogEntry]:
    """Return the events that had time to become visible before the settle time was over."""
    if ledger.closed is not None:
        return []  # Nobody promises events to a caller that has closed the conversation.
    latest_ns = ledger.settled_ns - SETTLED_NS - ledger.busy_ns
    return [
        entry
        for entry in ledger.log.values()
        if max(entry.persisted_ns, ledger.back_ns) <= max(latest_ns, ledger.returned_ns)
    ]


def _callbacks(
    ledger: Ledger, shown: Sequence[str], callbacks: Sequence[str], since: float
) -> Iterator[Evidence]:
    settled = set(shown)
    given = Counter(callbacks)
    expected = [entry for entry in _settled_entries(ledger) if entry.position > since]
    missed = [e for e in expected if e.id in settled and not e.trailing and not given[e.id]]
    if missed:
        yield Evidence("missed-callback", "no-callback", facts_of(missed))
    doubled = [entry for entry in ledger.log.values() if given[entry.id] > 1]
    if doubled:
        yield Evidence("duplicate-callback", "given-twice", facts_of(doubled))
    for fact, order in (
        ("callbacks-swapped", list(dict.fromkeys(callbacks))),
        ("events-swapped", list(shown)),
    ):
        swapped = _out_of_order(order, ledger.log)
        if swapped:
            yield Evidence("out-of-order", fact, facts_of(swapped))


def _out_of_order(order: Sequence[str], log: dict[str, LogEntry]) -> list[LogEntry]:
    """Return the events that came after a later one although the server had sent them first."""
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
    """Whether the server itself sent the later event first."""
    return entry.sent is not None and later.sent is not None and later.sent < entry.sent
