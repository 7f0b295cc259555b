"""Evidence: why the oracle gave a verdict, as facts that can be put in words and compared."""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Literal

Numbers = Callable[[float, str], str]
"""Writes a number, from its value and its format."""


@dataclass(frozen=True)
class StateField:
    """A field of the state that the client shows wrongly or cannot read. Values are JSON."""

    field: str
    value: str
    """What the client shows, or the error that it raises."""
    truth: str | None = None
    """What the server has. None: reading the field raised, so it does not matter."""

    def __str__(self) -> str:
        return f"{self.field} {self.value}" + (
            "" if self.truth is None else f" instead of {self.truth}"
        )


@dataclass(frozen=True)
class Evidence:
    """Why a verdict was given: a fact and its details. A detail that does not apply is None."""

    verdict: str
    fact: str
    """The fact's name, one of FACTS. Any other text is shown unchanged, because older failure
    files have whole sentences here."""
    events: tuple[dict[str, Any], ...] = ()
    """One dict for each event concerned: `id`, `kind`, and, if known, `persisted_ms`,
    `published_ms`, `delivered_ms`, `visible_ms` (trial time) and `trailing`."""
    call: int | None = None
    """Which call of `run()` the fact is about, counted from 1."""
    calls: int = 1
    """How many calls of `run()` the trial had."""
    ended: Literal["returned", "raised"] | None = None
    """How the call ended."""
    error: str | None = None
    """What the call raised."""
    stopped: str | None = None
    """Why the harness had to stop the trial."""
    status: str | None = None
    """The status in which the server's run ended."""
    begun: bool | None = None
    """Whether the server's run had begun when the call ended."""
    after_s: float | None = None
    """Trial seconds from the call to its end; for `ended-late`, from the server's end; for several
    events, the longest."""
    timeout_s: float | None = None
    """The timeout that `run()` was given."""
    act: str | None = None
    """What the fact is about, if not `run()`: an act of the caller, such as `pause()`, or a
    request, such as `GET conversation`."""
    by: Literal["client", "server"] | None = None
    """Which side held the act, request or event up."""
    reason: str | None = None
    """What justified the error, if anything did."""
    undone: tuple[str, ...] = ()
    """What the schedule asked for and did not happen, such as `run() 2 of 3`."""
    differences: tuple[StateField, ...] = ()
    """Fields of the state that differ from the server's, or cannot be read."""
    where: str | None = None
    """Only for tests: the innermost line of the error that is in the test, or in the modules that
    it is about, as `function: text of the line`."""
    thread: str | None = None
    """The name of the thread that died."""
    client: int | None = None
    """Which client of the conversation the fact is about, if not the one that calls `run()`."""

    @property
    def says(self) -> str:
        """The fact in words, such as `2 events persisted and never visible`."""
        return self._in_words(format)

    @property
    def kind(self) -> "Evidence":
        """The same evidence without its numbers, so that it equals that of a similar failure."""
        return replace(
            self,
            fact=self.fact if self.fact in FACTS else numberless(self.fact),
            events=(),
            call=None if self.call is None else 0,
            calls=min(self.calls, 2),
            error=None if self.error is None else self._kind_of_error(),
            thread=None if self.thread is None else numberless(self.thread),
            stopped=None if self.stopped is None else numberless(self.stopped),
            after_s=None if self.after_s is None else 0.0,
            timeout_s=None if self.timeout_s is None else 0.0,
            reason=None if self.reason is None else numberless(self.reason),
            undone=tuple(dict.fromkeys(map(numberless, self.undone))),
            differences=tuple(
                StateField(
                    each.field,
                    numberless(each.value),
                    None if each.truth is None else numberless(each.truth),
                )
                for each in self.differences
            ),
        )

    def _kind_of_error(self) -> str:
        """The error without what varies. For a test that is the whole message, since an
        assertion's message contains the values that it compared."""
        error = self.error or ""
        return error.partition(":")[0] if self.where is not None else numberless(error)

    @property
    def kind_says(self) -> str:
        """The fact in words, with `#` for each number."""
        return self._in_words(lambda _value, _format: "#")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, which has the words too, and nothing that does not apply."""
        known = {field.name: getattr(self, field.name) for field in fields(self)}
        facts = {name: value for name, value in known.items() if value not in (None, ())}
        facts["events"] = self.events
        if self.differences:
            facts["differences"] = tuple(map(asdict, self.differences))
        return {**facts, "says": self.says}

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Evidence":
        """Build it from the JSON form, which must be valid."""
        facts = {name: value for name, value in data.items() if name in _FIELDS}
        facts["events"] = tuple(map(dict, facts.get("events", ())))
        facts["undone"] = tuple(facts.get("undone", ()))
        facts["differences"] = tuple(
            StateField(each["field"], each["value"], each.get("truth"))
            for each in facts.get("differences", ())
        )
        if facts.get("fact") not in FACTS:
            # Another release of race-harness wrote this: keep its words. In older files only the
            # sentence says which call it is about.
            named = re.search(r"\bcall (\d+) of run\(\)", data["says"])
            call = facts.get("call", int(named[1]) if named else None)
            facts |= {"fact": data["says"], "call": call}
        return Evidence(**facts)

    def _in_words(self, number: Numbers) -> str:
        tell = FACTS.get(self.fact)
        says = self.fact if tell is None else tell(self, number)
        return says if self.client is None else f"client {self.client}, which looks on: {says}"


@dataclass(frozen=True)
class Cause:
    """The kinds of a failure's evidence: two failures with equal causes count as the same. Empty
    for a trial that passed or is void."""

    kinds: tuple[Evidence, ...] = ()

    @staticmethod
    def of(evidence: tuple[Evidence, ...]) -> "Cause":
        return Cause(tuple(entry.kind for entry in evidence))

    def __bool__(self) -> bool:
        return bool(self.kinds)

    def __str__(self) -> str:
        """Such as `late: # events persisted before run() returned, visible only afterwards`."""
        return "; ".join(f"{kind.verdict}: {kind.kind_says}" for kind in self.kinds)


def numberless(text: str) -> str:
    """Return a text, such as an error, with `#` for each number and each UUID; `1 event` and
    `2 events` become the same."""
    text = re.sub(r"\d+(\.\d+)?", "#", _UUID.sub("#", text))
    return re.sub(r"\bevents?\b", "events", text)


_UUID: Final = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)


def _run(entry: Evidence, number: Numbers) -> str:
    if entry.calls == 1 or entry.call is None:
        return "run()"
    return f"call {number(entry.call, 'd')} of run()"


def _count(entry: Evidence, number: Numbers) -> str:
    count = number(len(entry.events), "d")
    return "1 event" if count == "1" else f"{count} events"


def _never_returned(entry: Evidence, number: Numbers) -> str:
    return f"{_run(entry, number)} never returned ({entry.stopped})"


def _no_run(entry: Evidence, number: Numbers) -> str:
    return f"{_run(entry, number)} returned and the server never began a run for it"


def _run_not_over(entry: Evidence, number: Numbers) -> str:
    state = "was still going on" if entry.begun else "had not begun"
    return f"{_run(entry, number)} returned while the server's run {state}"


def _run_lost(entry: Evidence, number: Numbers) -> str:
    return f"{_run(entry, number)} returned although the server had died in the middle of its run"


def _failure_not_raised(entry: Evidence, number: Numbers) -> str:
    run = _run(entry, number)
    return f"{run} returned as if all were well, but the run ended in {entry.status!r}"


def _seen_late(entry: Evidence, number: Numbers) -> str:
    run, count = _run(entry, number), _count(entry, number)
    return f"{count} persisted before {run} returned, visible only afterwards"


def _unseen_at_return(entry: Evidence, number: Numbers) -> str:
    run, count = _run(entry, number), _count(entry, number)
    return f"{count} persisted before {run} returned, and not visible then"


def _gave_up_early(entry: Evidence, number: Numbers) -> str:
    after = number(entry.after_s or 0.0, ".2f")
    timeout = number(entry.timeout_s or 0.0, "g")
    raised = f"{_run(entry, number)} raised {entry.error!r} after {after} s"
    return f"{raised}, before its timeout of {timeout} s{_because(entry)}"


def _raised(entry: Evidence, number: Numbers) -> str:
    raised = f"{_run(entry, number)} raised {entry.error!r}"
    return f"{raised}{_because(entry) or ' although the run did not fail'}"


def _because(entry: Evidence) -> str:
    return "" if entry.reason is None else f", because {entry.reason}"


def _act_raised(entry: Evidence, _number: Numbers) -> str:
    told = f"{entry.act} raised {entry.error!r}{_because(entry) or ', which nothing explains'}"
    return f"{told}; so {', '.join(entry.undone)} did not happen" if entry.undone else told


def _own_message_late(entry: Evidence, _number: Numbers) -> str:
    return f"the caller's own message was not visible when {entry.act} returned"


def _act_held(entry: Evidence, number: Numbers) -> str:
    return f"{entry.act} took {number(entry.after_s or 0.0, '.1f')} s: the {entry.by} held it up"


def _request_held(entry: Evidence, number: Numbers) -> str:
    after = number(entry.after_s or 0.0, ".1f")
    return f"the {entry.by} held {entry.act} up for {after} s"


def _frame_late(entry: Evidence, number: Numbers) -> str:
    count, after = _count(entry, number), number(entry.after_s or 0.0, ".1f")
    return f"{count} published up to {after} s late: the {entry.by} held them up"


def _shown_late(entry: Evidence, number: Numbers) -> str:
    count, after = _count(entry, number), number(entry.after_s or 0.0, ".1f")
    return (
        f"{count} reached the caller up to {after} s after the frame, while the run went on: "
        f"the {entry.by} held them up"
    )


def _state_differs(entry: Evidence, _number: Numbers) -> str:
    shown = [str(each) for each in entry.differences if each.truth is not None]
    unread = [str(each) for each in entry.differences if each.truth is None]
    told = [f"state shows {', '.join(shown)}"] if shown else []
    return "; ".join(told + [f"reading state.{each}" for each in unread])


def _left_running(_entry: Evidence, _number: Numbers) -> str:
    return "the server, started again, says for ever that the run in which it died is going on"


def _left_unsaved(_entry: Evidence, _number: Numbers) -> str:
    return "the server, whose disk was full, says for ever that the run is going on"


def _act_never_returned(entry: Evidence, _number: Numbers) -> str:
    return f"{entry.act} never returned ({entry.stopped})"


def _timeout_overrun(entry: Evidence, number: Numbers) -> str:
    after = number(entry.after_s or 0.0, ".2f")
    timeout = number(entry.timeout_s or 0.0, "g")
    return f"{_run(entry, number)} ended after {after} s, its timeout was {timeout} s"


def _ended_late(entry: Evidence, number: Numbers) -> str:
    after = number(entry.after_s or 0.0, ".1f")
    return f"{_run(entry, number)} {entry.ended} {after} s after the server was done"


def _never_seen(entry: Evidence, number: Numbers) -> str:
    return f"{_count(entry, number)} persisted and never visible"


def _no_callback(entry: Evidence, number: Numbers) -> str:
    return f"{_count(entry, number)} in state.events that no callback was given"


def _shown_twice(entry: Evidence, number: Numbers) -> str:
    return f"{_count(entry, number)} shown more than once"


def _given_twice(entry: Evidence, number: Numbers) -> str:
    return f"{_count(entry, number)} given to the callback more than once"


def _callbacks_swapped(_entry: Evidence, _number: Numbers) -> str:
    return "callbacks came in another order than the server's log"


def _events_swapped(_entry: Evidence, _number: Numbers) -> str:
    return "state.events is in another order than the server's log"


def _test_failed(entry: Evidence, _number: Numbers) -> str:
    return f"{entry.error} at {entry.where}"


def _teardown_failed(entry: Evidence, _number: Numbers) -> str:
    return f"teardown: {entry.error} at {entry.where}"


def _thread_died(entry: Evidence, _number: Numbers) -> str:
    return f"thread {entry.thread!r} died of {entry.error} at {entry.where}"


def _test_hung(entry: Evidence, _number: Numbers) -> str:
    return f"the test never ended ({entry.stopped})"


FACTS: Final[Mapping[str, Callable[[Evidence, Numbers], str]]] = {
    "never-returned": _never_returned,
    "no-run": _no_run,
    "run-not-over": _run_not_over,
    "failure-not-raised": _failure_not_raised,
    "run-lost": _run_lost,
    "seen-late": _seen_late,
    "unseen-at-return": _unseen_at_return,
    "gave-up-early": _gave_up_early,
    "raised": _raised,
    "act-raised": _act_raised,
    "act-never-returned": _act_never_returned,
    "left-running": _left_running,
    "left-unsaved": _left_unsaved,
    "state-differs": _state_differs,
    "own-message-late": _own_message_late,
    "act-held": _act_held,
    "request-held": _request_held,
    "frame-late": _frame_late,
    "shown-late": _shown_late,
    "timeout-overrun": _timeout_overrun,
    "ended-late": _ended_late,
    "never-seen": _never_seen,
    "no-callback": _no_callback,
    "given-twice": _given_twice,
    "shown-twice": _shown_twice,
    "callbacks-swapped": _callbacks_swapped,
    "events-swapped": _events_swapped,
    "test-failed": _test_failed,
    "teardown-failed": _teardown_failed,
    "thread-died": _thread_died,
    "test-hung": _test_hung,
}
"""Every fact that the oracle can find, by name, with the function that puts it in words."""

_FIELDS: Final = frozenset(field.name for field in fields(Evidence))
