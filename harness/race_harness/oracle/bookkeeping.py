"""Bookkeeping: enters each happening of a trial into the ledger."""

from collections.abc import Callable, Sequence
from math import inf
from typing import Any, Final

from race_harness.model.limits import RETRY_S
from race_harness.model.schedule import STRANGE
from race_harness.model.trace import Happening
from race_harness.oracle.entries import (
    ActEntry,
    CallEntry,
    LogEntry,
    OpenRequest,
    Request,
    RunEntry,
    WatcherEntry,
)
from race_harness.oracle.ledger import LAST_CLOSE, Ledger, is_close

_NO_CHANGES: Final = ("state", "clock-stepped", "disk-filled", "disk-freed")


def ledger_of(happenings: Sequence[Happening]) -> Ledger:
    """Return the ledger of a whole trial."""
    ledger = Ledger()
    for position, happening in enumerate(happenings):
        if happening.lane == "watcher":
            _watched(ledger, position, happening)
        enter = _ENTRIES.get((happening.lane, happening.what))
        if enter is not None:
            enter(ledger, position, happening)
        ledger.ended_ns = happening.at_ns
        if happening.lane == "server" and happening.what not in _NO_CHANGES:
            ledger.changed_ns = happening.at_ns
    for position, happening in enumerate(happenings):
        _follow_event(ledger, position, happening)
    for call in ledger.calls.values():
        # The client has no way to tell which of the runs is its own.
        call.overlaps = call.overlaps or any(ledger.runs_of_others_during(call))
    return ledger


def _persisted(ledger: Ledger, position: int, happening: Happening) -> None:
    detail = happening.detail
    if detail["kind"] == STRANGE:
        return  # A client may ignore it, so it is not judged.
    ledger.log[detail["event"]] = LogEntry(
        id=detail["event"],
        kind=_kind(detail),
        position=position,
        persisted_ns=happening.at_ns,
        trailing=bool(detail.get("trailing")),
        run=detail.get("run"),
    )
    if detail["kind"] == "MessageEvent" and not (detail.get("run") or detail.get("other")):
        ledger.messages[position] = detail["event"]


def _kind(detail: dict[str, Any]) -> str:
    """Return for example `ConversationStateUpdateEvent(execution_status)`,
    `ActionEvent(finish)`."""
    inner = detail.get("key") or detail.get("tool_name")
    return f"{detail['kind']}({inner})" if inner else str(detail["kind"])


def _run_accepted(ledger: Ledger, position: int, happening: Happening) -> None:
    number, of_other = happening.detail["run"], bool(happening.detail.get("other"))
    run = ledger.runs[number] = RunEntry(number, accepted=position, of_other=of_other)
    call = None if of_other else _asker(ledger)
    if call is not None:
        call.run, call.refused = run, False


def _run_refused(ledger: Ledger, _position: int, happening: Happening) -> None:
    if happening.detail.get("other"):
        return
    # If the answer is that a run is going on (409), the caller waits for that run.
    call = _asker(ledger)
    if call is not None and happening.detail.get("status", 409) == 409 and ledger.runs:
        call.run = ledger.runs[max(ledger.runs)]
        call.refused, call.refused_for = True, call.run


def _asker(ledger: Ledger) -> CallEntry | None:
    """Return the call that made a request to run: the first one without a run, or one that was
    refused and asks again.

    `run()` may have returned while the request was still on its way.
    """
    calls = ledger.calls.values()
    for wanted in (
        lambda call: call.ended is None and call.run is None,
        lambda call: call.ended is None and call.refused,
        # A call whose run the server has lost may ask for another.
        lambda call: call.ended is None and call.run is not None and call.run.is_nobodys,
        lambda call: call.run is None,
    ):
        found = next(filter(wanted, calls), None)
        if found is not None:
            return found
    return None


def _status(ledger: Ledger, position: int, happening: Happening) -> None:
    ledger.status = happening.detail["status"]
    ledger.status_since = position
    if ledger.status == "paused" and happening.detail.get("run") is None:
        for call in ledger.open_calls():
            call.paused = position if call.paused is None else call.paused


def _run_started(ledger: Ledger, position: int, happening: Happening) -> None:
    run = ledger.runs[happening.detail["run"]]
    run.started, run.started_ns = position, happening.at_ns


def _run_ended(ledger: Ledger, position: int, happening: Happening) -> None:
    run = ledger.runs[happening.detail["run"]]
    if happening.detail.get("recovered") and run.ended is not None:
        # Before the crash the server had announced another end, which never reached its disk. A
        # client may go by either.
        run.status, run.is_stale = happening.detail["status"], True
        return
    run.ended, run.ended_ns = position, happening.at_ns
    run.status = happening.detail["status"]
    # A run that was interrupted while the agent started has assigned no status.
    kept = run.started is not None and ledger.status_since < run.started
    run.is_stale = kept and run.status == ledger.status
    run.done, run.done_ns = position, happening.at_ns


def _run_cleared(ledger: Ledger, position: int, happening: Happening) -> None:
    """The run is cleared: all its events are in the log by now."""
    run = ledger.runs.get(happening.detail["run"])
    if run is not None:
        run.told = position


def _snapshot(ledger: Ledger, position: int, happening: Happening) -> None:
    run = ledger.runs.get(happening.detail.get("run") or 0)
    if run is not None:
        run.done, run.done_ns = position, happening.at_ns


def _called(ledger: Ledger, position: int, happening: Happening) -> None:
    number = happening.detail.get("call", 1)
    others = list(ledger.open_calls())
    for other in others:
        other.overlaps = True
    silent = ledger.is_silent(happening.at_ns)
    ledger.calls[number] = CallEntry(
        *(number, position, happening.at_ns),
        network_fault=ledger.reset or silent or ledger.gone,
        silenced=silent or ledger.gone,
        overlaps=bool(others),
    )


def _ended(ledger: Ledger, position: int, happening: Happening) -> None:
    call = ledger.calls[happening.detail.get("call", 1)]
    call.ended, call.status = position, ledger.status
    call.ended_ns = happening.at_ns


def _close_called(ledger: Ledger, position: int, happening: Happening) -> None:
    ledger.settled_ns = happening.at_ns
    ledger.acts.append(_act(ledger, position, happening, LAST_CLOSE))


def _act_called(ledger: Ledger, position: int, happening: Happening) -> None:
    act = happening.detail["act"]
    if act == "close" and ledger.closed is None:
        ledger.closed = position
    ledger.acts.append(_act(ledger, position, happening, act))


def _act(ledger: Ledger, position: int, happening: Happening, act: str) -> ActEntry:
    return ActEntry(
        happening.detail.get("number", 0),
        position,
        happening.at_ns,
        act=act,
        network_fault=ledger.reset or ledger.is_silent(happening.at_ns) or ledger.gone,
        silenced=ledger.gone
        or ledger.is_silent(happening.at_ns)
        or (is_close(act) and ledger.is_socket_silent(happening.at_ns)),
    )


def _act_ended(ledger: Ledger, position: int, happening: Happening) -> None:
    name = happening.detail.get("act", LAST_CLOSE), happening.detail.get("number", 0)
    for act in ledger.acts:
        if act.ended is None and (act.act, act.number) == name:
            act.ended, act.ended_ns = position, happening.at_ns
            act.error = happening.detail.get("error")
            return


def _state_read(ledger: Ledger, _position: int, happening: Happening) -> None:
    ledger.shown = happening.detail["values"]
    ledger.unreadable = happening.detail.get("errors", {})


def _state(ledger: Ledger, _position: int, happening: Happening) -> None:
    ledger.truth = happening.detail["values"]


def _callback(ledger: Ledger, _position: int, happening: Happening) -> None:
    ledger.callbacks.append(happening.detail["event"])
    ledger.given_ns.setdefault(happening.detail["event"], happening.at_ns)


def _watched(ledger: Ledger, position: int, happening: Happening) -> None:
    detail = happening.detail
    view = ledger.views.setdefault(detail["client"], WatcherEntry())
    match happening.what:
        case "attached":
            view.attached, view.attached_ns = position, happening.at_ns
        case "attach-failed":
            view.error = detail["error"]
            view.server_was_away = bool(ledger.back_ns or ledger.full)
        case "given":
            view.given.append(detail["event"])
        case "shown":
            view.shown, view.shown_ns = tuple(detail["events"]), happening.at_ns
        case "state-shown":
            view.values, view.errors = detail["values"], detail["errors"]


def _subscribed(ledger: Ledger, position: int, happening: Happening) -> None:
    if happening.detail.get("other"):
        return
    ledger.socket_changes_ns.append(happening.at_ns)
    if ledger.subscribed is None:
        ledger.subscribed = position


def _disconnected(ledger: Ledger, _position: int, happening: Happening) -> None:
    if happening.detail.get("other"):
        return
    ledger.socket_changes_ns.append(happening.at_ns)


def _request(ledger: Ledger, _position: int, happening: Happening) -> None:
    route, number = happening.detail.get("route", ""), happening.detail["number"]
    silenced = ledger.is_silent(happening.at_ns)
    ledger.requests[number] = OpenRequest(route, happening.at_ns, silenced=silenced)
    for doing in ledger.open():
        doing.requests[number] = Request(route, happening.at_ns)


def _unanswered(ledger: Ledger, _position: int, happening: Happening) -> None:
    span = ledger.requests.get(happening.detail["number"])
    if span is not None:
        span.ended_ns = happening.at_ns


def _answer(ledger: Ledger, position: int, happening: Happening) -> None:
    _unanswered(ledger, position, happening)
    ledger.reset = False
    for doing in ledger.open():
        request = doing.requests.get(happening.detail["number"])
        if request is not None:
            request.status = happening.detail.get("status", 200)


def _rest_fault(ledger: Ledger, _position: int, happening: Happening) -> None:
    span = ledger.requests.get(happening.detail["number"])
    if span is not None:
        span.fault = happening.detail["action"]
        span.delay_ns = round(happening.detail.get("delay_ms", 0.0) * 1e6)
    if happening.detail["action"] == "gave-up":
        ledger.retries_ns += round((happening.detail["after_s"] + RETRY_S) * 1e9)
    for doing in ledger.open():
        request = doing.requests.get(happening.detail["number"])
        if request is not None:
            request.fault = happening.detail["action"]
        elif span is None and happening.detail["action"] == "gave-up":
            # The request has not reached the server yet.
            doing.network_fault = True


def _network_fault(ledger: Ledger, position: int, happening: Happening) -> None:
    detail = happening.detail
    if detail["action"] == "idle-closed" and detail["link"] == "rest":
        return  # A request that is lost by that has its own happening.
    if detail["action"] == "interject":
        return  # Nothing is lost by it.
    if detail["action"] in ("turned-away", "lost-request"):
        ledger.retries_ns += round(RETRY_S * 1e9)
    is_silence = detail["action"] in ("stall", "refuse", "half-open", "turned-away")
    # A half-open connection stays half open.
    lasts_ns = detail.get("for_ms", 0.0) * 1e6 if detail["action"] != "half-open" else inf
    until_ns = happening.at_ns + lasts_ns
    if detail["link"] != "rest":
        ledger.socket_changes_ns.append(happening.at_ns)
        ledger.socket_faults.append(position)
        if is_silence:
            ledger.socket_silences.append((happening.at_ns, until_ns))
            for act in ledger.acts:
                act.silenced = act.silenced or (act.ended is None and is_close(act.act))
        return
    ledger.reset = ledger.reset or not is_silence
    for doing in ledger.open():
        doing.network_fault, doing.silenced = True, doing.silenced or is_silence
    if is_silence:
        ledger.silences.append((happening.at_ns, until_ns))
        for span in ledger.requests.values():
            span.silenced = span.silenced or span.ended_ns is None


def _frozen(ledger: Ledger, position: int, happening: Happening) -> None:
    """Nothing comes from the server during a freeze, on any connection."""
    ledger.back_ns = happening.at_ns + round(happening.detail["for_ms"] * 1e6)
    for link in ("rest", "socket"):
        detail = {**happening.detail, "action": "stall", "link": link}
        _network_fault(ledger, position, Happening(happening.at_ns, "network", "fault", detail))


def _crashed(ledger: Ledger, position: int, happening: Happening) -> None:
    """A crash breaks every connection, and new ones are refused until the server is back."""
    ledger.back_ns = happening.at_ns + round(happening.detail["for_ms"] * 1e6)
    for link in ("rest", "socket"):
        detail = {**happening.detail, "action": "refuse", "link": link}
        _network_fault(ledger, position, Happening(happening.at_ns, "network", "fault", detail))
    # The client may notice only at its next use that a kept connection is broken.
    ledger.reset = True
    for run in ledger.runs.values():
        run.lost = run.lost or run.ended is None


def _restarted(ledger: Ledger, position: int, happening: Happening) -> None:
    ledger.back_ns = happening.at_ns
    status = happening.detail["status"]
    ledger.gone = status is None
    if status is not None and status != ledger.status:
        ledger.status, ledger.status_since = status, position


def _disk_filled(ledger: Ledger, _position: int, happening: Happening) -> None:
    until_ns = happening.at_ns + happening.detail["for_ms"] * 1e6
    ledger.full.append((happening.at_ns, until_ns))


def _unwritten(ledger: Ledger, _position: int, _happening: Happening) -> None:
    for run in ledger.runs.values():
        run.unwritten = run.unwritten or run.told is None


def _unsaved(ledger: Ledger, position: int, happening: Happening) -> None:
    ledger.unsaved = True
    _unwritten(ledger, position, happening)


def _saved(ledger: Ledger, _position: int, _happening: Happening) -> None:
    ledger.unsaved = False


def _was_busy(ledger: Ledger, _position: int, happening: Happening) -> None:
    ledger.busy_ns += round(happening.detail["for_ms"] * 1e6)


_ENTRIES: dict[tuple[str, str], Callable[[Ledger, int, Happening], None]] = {
    ("server", "persisted"): _persisted,
    ("server", "run-accepted"): _run_accepted,
    ("server", "run-refused"): _run_refused,
    ("server", "run-started"): _run_started,
    ("server", "status"): _status,
    ("server", "run-ended"): _run_ended,
    ("server", "run-cleared"): _run_cleared,
    ("server", "snapshot"): _snapshot,
    ("client", "run-called"): _called,
    ("client", "run-returned"): _ended,
    ("client", "run-raised"): _ended,
    ("client", "close-called"): _close_called,
    ("client", "close-returned"): _act_ended,
    ("client", "close-raised"): _act_ended,
    ("client", "act-called"): _act_called,
    ("client", "act-returned"): _act_ended,
    ("client", "act-raised"): _act_ended,
    ("client", "callback"): _callback,
    ("client", "state-read"): _state_read,
    ("server", "state"): _state,
    ("socket", "subscribed"): _subscribed,
    ("socket", "disconnected"): _disconnected,
    ("rest", "request"): _request,
    ("rest", "answer"): _answer,
    ("rest", "unanswered"): _unanswered,
    ("rest", "fault"): _rest_fault,
    ("network", "fault"): _network_fault,
    ("server", "frozen"): _frozen,
    ("server", "crashed"): _crashed,
    ("server", "restarted"): _restarted,
    ("server", "disk-filled"): _disk_filled,
    ("server", "unwritten"): _unwritten,
    ("server", "unsaved"): _unsaved,
    ("server", "saved"): _saved,
    ("network", "was-busy"): _was_busy,
}


def _follow_event(ledger: Ledger, position: int, happening: Happening) -> None:
    """Note when an event of the log was first sent, delivered and visible.

    This needs a second pass, since releases up to 1.44 may publish an event before they persist
    it.
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
        elif name == "visible_ns":
            entry.seen = position
