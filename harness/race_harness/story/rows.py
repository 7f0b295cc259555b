"""From all that happened to the rows that are worth showing, in order.

A trial has hundreds of happenings; a person can take in some thirty. Nothing is moved or made up;
rows are only left out or joined, by these rules:

- what came before `run()` is counted, unless it concerns the verdict or is a fault;
- successive happenings of one thing in one column share a row ("#4 persisted, published"), and
  so do successive events to which the same happens at the same time ("#4 to #7 visible");
- a read of the REST API is one row, at the time of the answer;
- a repeating pattern is shown once, with its count ("5 polls: running");
- a long stretch of events that no evidence concerns is one row for each column;
- in a long stretch without anything new, repetitions are counted (`folding`).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, NamedTuple

from race_harness.model.failure import Failure
from race_harness.story.facts import CALLED
from race_harness.story.joining import introduced, joined
from race_harness.story.names import FULL_STATE, Names, clock, endpoint, several
from race_harness.story.plain_rows import (
    clipped,
    of_other,
    of_process,
    of_test,
    of_watcher,
    row_of,
    stall,
    unknown,
)
from race_harness.story.row import Column, Row, Sort, Tone
from race_harness.story.thread_rows import ThreadRows, bounded, stretched

_STEPS: Final[dict[str, tuple[Column, str]]] = {
    "persisted": ("server", "persisted"),
    "frame-sent": ("server", "published"),
    "frame-delivered": ("socket", "delivered"),
    "callback": ("socket", "callback"),
    "callback-done": ("socket", "callback done"),
    "visible": ("socket", "visible"),
}
"""An event's way to the user. Sending a frame is the server's act; the rest is the client's."""

_RUN_STEPS: Final[dict[str, str]] = {
    "run-accepted": "accepted",
    "run-started": "started",
    "run-ended": "ended",
    "run-cleared": "cleared",
    "stop-hook-denied": "goes on: a stop hook denied its end",
}

_CLIENT_WORDS: Final = {
    "send-message": "sends a message",
    "close-called": "close() called",
    "close-returned": "close() returns",
}

_SILENT: Final = frozenset({"publication", "run-requested"})
"""Not shown, since what follows says it: the frame, and the run's acceptance or refusal."""

_NUMBERS: Final = frozenset({"number", "peer"})
"""Numbers of requests and connections, which differ each time."""


@dataclass(frozen=True)
class Telling:
    """The rows, and how much came before them."""

    rows: tuple[Row, ...]
    before_run: int
    """Happenings before `run()` that are not shown."""
    persisted_before_run: int
    """Events that were persisted before `run()`, shown or not."""


def tell(failure: Failure, names: Names, *, everything: bool = False) -> Telling:
    """Choose and join the rows of a failure's timeline; `everything`: show each by itself, from
    the trial's beginning."""
    called = next((n for n, entry in enumerate(failure.happenings) if entry["what"] in CALLED), 0)
    teller = _Teller(failure, names)
    threads = ThreadRows(failure) if failure.schedule.test is not None else None
    rows: list[Row] = []
    left_out = 0
    for index, happening in enumerate(failure.happenings):
        row = (
            teller.row(happening, rows)
            if threads is None
            else _of_thread(index, happening, threads, teller, rows)
        )
        early = index < called and not everything
        if early and (row is None or row.tone is Tone.PLAIN):
            left_out += 1
        elif row is not None:
            rows.append(row)
    if teller.running and failure.happenings:
        last = float(failure.happenings[-1]["at_ms"])
        rows.append(Row(last, "client", "run() has not returned", tone=Tone.ENDED))
    if threads is not None:
        rows += threads.end()
        if not everything:
            rows = bounded([*stretched(rows)])
    return Telling(
        rows=tuple(introduced(rows, names) if everything else joined(rows, names)),
        before_run=left_out,
        persisted_before_run=sum(
            entry["what"] == "persisted" for entry in failure.happenings[:called]
        ),
    )


def _of_thread(
    index: int,
    happening: dict[str, Any],
    threads: ThreadRows,
    teller: "_Teller",
    told: Sequence[Row],
) -> Row | None:
    if threads.skips(happening):
        return None
    if (row := threads.row(index, happening)) is not None:
        return row
    row = teller.row(happening, told)
    return None if row is None else threads.placed(row, happening)


class _Teller:
    """Turns happenings into rows one by one, knowing what happened before each."""

    def __init__(self, failure: Failure, names: Names) -> None:
        self._running: set[object] = set()
        """Calls of `run()` that have not ended."""
        self._calls = sum(entry["what"] == "run-called" for entry in failure.happenings)
        self._names = names
        self._judgement = failure.judgement
        self._concerned = {
            str(event["id"])
            for evidence in failure.judgement.evidence
            for event in evidence.events
        }
        self._stale = [
            each.field for evidence in failure.judgement.evidence for each in evidence.differences
        ]
        self._own = [
            str(event["id"])
            for evidence in failure.judgement.evidence
            for event in evidence.events
            if not event.get("trailing")
        ]
        self._persisted: set[str] = set()
        self._visible: set[str] = set()
        self._server_run: Literal["not begun", "begun", "ended"] = "not begun"
        self._asked: dict[object, _Asked] = {}
        self._answered = {
            entry.get("number")
            for entry in failure.happenings
            if entry["what"] in ("answer", "unanswered") and entry["lane"] != "other"
        }
        self._peers = {
            entry["peer"]
            for entry in failure.happenings
            if entry["lane"] == "socket" and "peer" in entry
        }
        self._runs = {entry["run"] for entry in failure.happenings if "run" in entry}

    @property
    def running(self) -> bool:
        """Whether a call of `run()` has not ended yet."""
        return bool(self._running)

    def row(self, happening: dict[str, Any], told: Sequence[Row]) -> Row | None:
        """The row of one happening; None if it is worth none. `told` are the rows before it."""
        row = self._row(happening, told)
        return None if row is None else replace(row, sort=self._sort(happening, row))

    def _sort(self, happening: dict[str, Any], row: Row) -> Sort | None:
        """The sort of a row; None if it never repeats: what the caller does, an event, a fault."""
        event, aside = happening.get("event"), {"at_ms", "lane", "what", *_NUMBERS}
        if row.tone is not Tone.PLAIN or row.column == "client":
            return None
        if event is not None:
            if self._names.short(str(event)) != FULL_STATE:
                return None
            aside.add("event")
        facts = json.dumps({name: happening[name] for name in happening if name not in aside})
        kind = (str(happening["lane"]), str(happening["what"]))
        if kind[1] in ("answer", "unanswered"):
            subject, did = self._answered_by(happening)
            # A missing answer is a changed answer, and no other kind of happening.
            return Sort(("rest", "answer", subject), f"{kind[1]} {facts}", subject, (did,))
        if row == unknown(happening):
            row = unknown({name: happening[name] for name in happening if name not in _NUMBERS})
        about = row.subject if kind[0] == "rest" else ""
        subject, *did_too = (
            text.replace(self._peer(happening) or "[]", "") for text in (row.subject, *row.did)
        )
        return Sort((*kind, about), facts, subject, (*did_too,))

    def _answered_by(self, happening: dict[str, Any]) -> tuple[str, str]:
        """The request and its answer, such as `→ 200 running`."""
        number, polled = happening.get("number"), happening.get("execution_status")
        asked = self._asked.get(number)
        code = "no answer" if happening["what"] == "unanswered" else happening.get("status")
        return (
            f"request {number}" if asked is None else asked.subject,
            f"→ {code}" if polled is None else f"→ {code} {polled}",
        )

    def _row(self, happening: dict[str, Any], told: Sequence[Row]) -> Row | None:
        what = happening["what"]
        if what in _SILENT:
            return None
        if happening["lane"] == "watcher":
            return of_watcher(happening)
        if what in _STEPS and "event" in happening:
            return self._event(happening)
        if what in _RUN_STEPS:
            return self._run(happening)
        if (plain := of_test(happening) or of_process(happening, self._names)) is not None:
            return plain
        match what:
            case "run-called":
                self._running.add(happening.get("call", 1))
                self._server_run = "not begun"
                which = self._call(happening)
                return row_of(happening, "client", f"{which} called", tone=Tone.CALLED)
            case "frame-sent" | "frame-delivered" if "event" not in happening:
                size = f" of {happening['size']} bytes" if "size" in happening else ""
                side, did = _STEPS[what]
                return row_of(happening, side, f"frame{size}{self._peer(happening)}", did)
            case "run-returned":
                return self._end(happening, f"{self._call(happening)} returns")
            case "run-raised":
                error = clipped(str(happening.get("error", "an error")))
                return self._end(happening, f"{self._call(happening)} raises {error}")
            case "act-called" | "act-returned" if happening.get("act") == "state":
                return None  # What it read has a row, if it is worth one.
            case "act-called" | "act-returned" | "act-raised":
                return self._act(happening)
            case "state" | "state-read" if not self._stale and not happening.get("errors"):
                return None  # As it should be.
            case "state" | "state-read":
                whose: Column = "server" if what == "state" else "client"
                return row_of(happening, whose, "state:", self._state(happening))
            case "callback-raised":
                return row_of(happening, "socket", "the user's callback raises", tone=Tone.FAULT)
            case "asked" | "answered" | "unanswered" if happening["lane"] == "other":
                return of_other(happening)
            case "send-message" | "close-called" | "close-returned":
                return row_of(happening, "client", _CLIENT_WORDS[what])
            case "request":
                return self._request(happening, told)
            case "answer" | "unanswered":
                return self._answer(happening, told)
            case "status" | "status-readable":
                status = str(happening.get("status"))
                did = "set" if what == "status" else "readable"
                return row_of(happening, "server", f"status {status}", did, ("status", status))
            case "run-refused":
                return row_of(happening, "server", "run refused:", str(happening.get("status")))
            case "snapshot":
                return row_of(happening, "server", f"snapshot taken: {happening.get('status')}")
            case "connected" | "subscribed":
                return row_of(happening, "socket", f"{what}{self._peer(happening)}")
            case "disconnected":
                why = f"disconnected{self._peer(happening)}: {happening.get('why', 'unknown')}"
                return row_of(happening, "socket", why)
            case "fault" if happening["lane"] == "rest":
                return self._spoiled(happening)
            case "fault":
                column: Column = "rest" if happening.get("link") == "rest" else "socket"
                code = f" {happening['code']}" if "code" in happening else ""
                long = f" for {happening['for_ms']} ms" if "for_ms" in happening else ""
                way = {"up": " to the server", "down": " to the client"}.get(
                    str(happening.get("way")), ""
                )
                fault = f"fault: {happening.get('action')}{code}{way}{long}{self._peer(happening)}"
                return row_of(happening, column, fault, tone=Tone.FAULT)
            case "line-stalled":
                callers = str(happening.get("thread")).startswith(("main", "caller: "))
                column = "client" if callers else "socket"
                return row_of(happening, column, stall(happening), tone=Tone.FAULT)
        return unknown(happening)

    def _call(self, happening: dict[str, Any]) -> str:
        """`run()`, with its number where there are several."""
        return "run()" if self._calls < 2 else f"run() no. {happening.get('call', 1)}"

    def _state(self, happening: dict[str, Any]) -> str:
        """Such as `finished, cost 0.02`: the status, and what the evidence is about."""
        # A file may hold anything there.
        read, errors = happening.get("values"), happening.get("errors")
        values = read if isinstance(read, dict) else {}
        stale = [field for field in self._stale if field != "execution_status"]
        told = [f"{field} {values[field]}" for field in stale if field in values]
        told += [f"{field} raises" for field in (errors if isinstance(errors, dict) else {})]
        return ", ".join([str(values.get("execution_status", "no status")), *told])

    def _act(self, happening: dict[str, Any]) -> Row:
        """What the caller does besides `run()`, on another thread if at the same time."""
        act = str(happening.get("act")).replace("-", "_")
        did = {
            "act-called": "called",
            "act-returned": "returns",
            "act-raised": f"raises {clipped(str(happening.get('error', 'an error')))}",
        }[happening["what"]]
        meanwhile = self._running and happening["what"] == "act-called"
        tone = Tone.FAULT if meanwhile else Tone.PLAIN
        subject = "reading of state" if act == "state" else f"{act}()"
        return row_of(happening, "client", subject, did, ("act", act), tone)

    def _spoiled(self, happening: dict[str, Any]) -> Row:
        """What the proxy does to a request; an answer has a row of its own."""
        asked = self._asked.get(happening.get("number"))
        subject = "request" if asked is None else asked.subject
        did = {
            "status": f"refused by the proxy: {happening.get('status')}",
            "delay": f"held up for {happening.get('delay_ms')} ms",
            "timeout": "swallowed by the proxy",
            "truncate": "its answer breaks off",
            "empty": "answered with an empty page",
            "gave-up": f"answered 504 by the gateway after {happening.get('after_s')} s",
        }.get(str(happening.get("action")), str(happening.get("action")))
        return row_of(happening, "rest", f"fault: {subject}", did, tone=Tone.FAULT)

    def _event(self, happening: dict[str, Any]) -> Row:
        event, what = str(happening["event"]), happening["what"]
        if what == "persisted":
            self._persisted.add(event)
        elif what == "visible":
            self._visible.add(event)
        column, did = _STEPS[what]
        if what in ("frame-sent", "frame-delivered"):
            did += self._peer(happening)
        tone = Tone.CONCERNED if event in self._concerned else Tone.PLAIN
        row = row_of(happening, column, self._names.short(event), did, ("event", event), tone)
        return replace(row, delivered=what == "frame-delivered")

    def _run(self, happening: dict[str, Any]) -> Row:
        what, run = happening["what"], happening.get("run")
        did = _RUN_STEPS[what]
        if what == "run-started":
            self._server_run = "begun"
        elif what == "run-ended":
            self._server_run = "ended"
            if "status" in happening:
                did += f" ({happening['status']})"
        subject = f"run {run}" if len(self._runs) > 1 and run is not None else "run"
        return row_of(happening, "server", subject, did, ("run", str(run)))

    def _end(self, happening: dict[str, Any], says: str) -> Row:
        """The row to which everything else leads: what was missing at this instant.

        Judged by the order of happenings, not by their times: in virtual time an event often
        becomes visible in the very millisecond in which `run()` returns, but after it.
        """
        self._running.discard(happening.get("call", 1))
        missing = [
            self._names.short(event)
            for event in dict.fromkeys(self._own)
            if event in self._persisted and event not in self._visible
        ]
        if missing:
            events = "event" if len(missing) == 1 else "events"
            says += f"; {len(missing)} persisted {events} not visible: {several(missing)}"
        too_soon = {"early", "unrun"} & set(self._judgement.verdicts)
        if too_soon and self._server_run != "ended":
            begun = "begun" if self._server_run == "not begun" else "ended"
            says += f"; the server's run has not {begun}"
        return row_of(happening, "client", says, tone=Tone.ENDED)

    def _request(self, happening: dict[str, Any], told: Sequence[Row]) -> Row | None:
        number = happening.get("number")
        method = happening.get("method", "request")
        subject = endpoint(method, happening.get("route", ""))
        if number not in self._answered:
            return row_of(happening, "rest", subject, "→ never answered")
        self._asked[number] = _Asked(
            subject, method == "GET", float(happening["at_ms"]), len(told)
        )
        if method == "GET":
            return None
        return row_of(happening, "rest", subject, about=("request", str(number)))

    def _answer(self, happening: dict[str, Any], told: Sequence[Row]) -> Row:
        number, polled = happening.get("number"), happening.get("execution_status")
        asked = self._asked.get(number, _Asked(f"request {number}", False, 0.0, 0))
        subject = asked.subject
        code = "no answer" if happening["what"] == "unanswered" else happening.get("status")
        if not asked.reads:
            return row_of(happening, "rest", subject, f"→ {code}", ("request", str(number)))
        # What happened between request and answer may be why the answer was wrong.
        when = f"(asked at {clock(asked.at_ms)})" if len(told) > asked.told else None
        if polled is not None:
            return replace(row_of(happening, "rest", str(polled), when), polls=1)
        return row_of(happening, "rest", f"{subject} → {code}", when)

    def _peer(self, happening: dict[str, Any]) -> str:
        if len(self._peers) < 2 or "peer" not in happening:
            return ""
        return f" [{happening['peer']}]"


class _Asked(NamedTuple):
    """A request whose answer is still to come."""

    subject: str
    reads: bool
    """Whether it changes nothing: then only the answer is shown."""
    at_ms: float
    told: int
    """How many rows came before it."""
