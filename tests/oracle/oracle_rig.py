"""A trial by hand: a list of happenings, changed in one thing, and what its caller saw.

Every event comes to the callback and then to `state.events`.
"""

from dataclasses import replace
from typing import Any

from race_harness.model.outcome import CallOutcome, Outcome
from race_harness.model.schedule import Schedule
from race_harness.model.trace import Happening
from race_harness.model.verdict import Judgement
from race_harness.oracle.judge import judge

Trial = list[Happening]


def at(ms: float, lane: str, what: str, **detail: Any) -> Happening:
    return Happening(round(ms * 1e6), lane, what, detail)


def persisted(ms: float, event: str, kind: str = "MessageEvent", **detail: Any) -> Happening:
    return at(ms, "server", "persisted", event=event, kind=kind, **detail)


def given_to_callback(ms: float, event: str) -> Happening:
    return at(ms, "client", "callback", event=event, kind="MessageEvent")


def visible(ms: float, event: str) -> Happening:
    return at(ms, "client", "visible", event=event)


def seen(ms: float, event: str) -> Trial:
    return [given_to_callback(ms, event), visible(ms, event)]


GOOD: Trial = [
    at(1, "socket", "subscribed", peer=1),
    persisted(100, "message"),
    *seen(101, "message"),
    at(110, "client", "run-called"),
    at(110, "rest", "request", method="POST", route="POST run", number=1),
    at(111, "server", "run-requested"),
    at(111, "server", "run-accepted", run=1),
    at(112, "rest", "answer", number=1, status=200),
    at(112, "server", "run-started", run=1),
    persisted(300, "action", "ActionEvent", tool_name="finish"),
    *seen(301, "action"),
    persisted(302, "observation", "ObservationEvent", tool_name="finish"),
    at(302, "server", "run-ended", run=1, status="finished"),
    *seen(303, "observation"),
    at(304, "server", "run-cleared", run=1),
    at(304, "server", "snapshot", status="finished", run=1),
    at(310, "client", "run-returned"),
    at(10_310, "client", "close-called"),
    at(10_311, "client", "close-returned"),
]


def name(happening: Happening) -> str:
    """Such as `visible action` or `run-returned`."""
    detail = happening.detail
    keys = ("event", "run", "number", "call")
    which = next((detail[key] for key in keys if detail.get(key)), None)
    return f"{happening.what} {which}" if which else happening.what


def position(trial: Trial, which: str) -> int:
    (found,) = [index for index, happening in enumerate(trial) if name(happening) == which]
    return found


def without(trial: Trial, *names: str) -> Trial:
    for which in names:
        position(trial, which)
    return [happening for happening in trial if name(happening) not in names]


def moved(trial: Trial, which: str, *, after: str) -> Trial:
    """One happening, directly after another and at the same instant."""
    happening = trial[position(trial, which)]
    rest = without(trial, which)
    place = position(rest, after)
    return [*rest[: place + 1], replace(happening, at_ns=rest[place].at_ns), *rest[place + 1 :]]


def added(trial: Trial, *happenings: Happening, after: str) -> Trial:
    place = position(trial, after) + 1
    return [*trial[:place], *happenings, *trial[place:]]


def changed(trial: Trial, which: str, **detail: Any) -> Trial:
    place = position(trial, which)
    happening = replace(trial[place], detail={**trial[place].detail, **detail})
    return [*trial[:place], happening, *trial[place + 1 :]]


def raised(trial: Trial, error: str, which: str = "run-returned") -> Trial:
    place = position(trial, which)
    detail = {**trial[place].detail, "error": error}
    happening = replace(trial[place], what="run-raised", detail=detail)
    return [*trial[:place], happening, *trial[place + 1 :]]


def outcome_of(trial: Trial) -> Outcome:
    """What the caller of this trial saw."""
    calls: dict[int, CallOutcome] = {}
    settled: tuple[str, ...] | None = None
    now: tuple[str, ...] = ()
    for happening in trial:
        number = happening.detail.get("call", 1)
        if happening.what == "visible":
            now += (happening.detail["event"],)
        elif happening.what == "run-called":
            calls[number] = CallOutcome(number, "never")
        elif happening.what in ("run-returned", "run-raised"):
            ended: Any = happening.what.removeprefix("run-")
            calls[number] = CallOutcome(number, ended, happening.detail.get("error"), now)
        elif happening.what == "close-called":
            settled = now
    return Outcome(tuple(calls.values()), visible_settled=now if settled is None else settled)


def judgement(trial: Trial, schedule: Schedule | None = None) -> Judgement:
    return judge(schedule or Schedule("by-hand"), trial, outcome_of(trial))


def verdicts(trial: Trial, schedule: Schedule | None = None) -> tuple[str, ...]:
    return judgement(trial, schedule).verdicts


OK = ("ok",)
EXPLAINED = ("explained",)


def second_call() -> Trial:
    """From the message that comes before it to its end, 300 ms after the first one's."""
    return [
        at(400, "client", "act-called", act="send-message"),
        at(403, "client", "act-returned", act="send-message"),
        persisted(401, "message-2"),
        *seen(402, "message-2"),
        at(410, "client", "run-called", call=2),
        at(410, "rest", "request", method="POST", route="POST run", number=2),
        at(411, "server", "run-requested"),
        at(411, "server", "run-accepted", run=2),
        at(412, "rest", "answer", number=2, status=200),
        at(412, "server", "run-started", run=2),
        persisted(600, "action-2", "ActionEvent", tool_name="finish"),
        *seen(601, "action-2"),
        persisted(602, "observation-2", "ObservationEvent", tool_name="finish"),
        at(602, "server", "run-ended", run=2, status="finished"),
        *seen(603, "observation-2"),
        at(604, "server", "run-cleared", run=2),
        at(604, "server", "snapshot", status="finished", run=2),
        at(610, "client", "run-returned", call=2),
    ]


TWICE: Trial = [*GOOD[:-2], *second_call(), *GOOD[-2:]]
"""Two calls, one after the other."""

SECOND_RUN = ("run-accepted 2", "run-started 2", "run-ended 2", "run-cleared 2", "snapshot 2")
SECOND_EVENTS = tuple(
    f"{what} {event}-2"
    for event in ("action", "observation")
    for what in ("persisted", "callback", "visible")
)
