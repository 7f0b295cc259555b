"""What all forms of a story share: times since `run()`, names, sentences."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from race_harness.model.evidence import Evidence
from race_harness.model.failure import Failure
from race_harness.model.permission import needed_options
from race_harness.model.plain_text import unbroken
from race_harness.story.names import Names, clock, endpoint
from race_harness.story.shortening import shortened

STEPS: Final = ("persisted", "published", "delivered", "visible")
"""The steps of an event's way; the evidence has the time of each step taken, as `persisted_ms`."""

_INSTANTS: Final = frozenset({"at_ms", *(f"{step}_ms" for step in STEPS)})
"""Fields that hold an instant of the trial; other fields in ms are durations."""

_STEP_OF: Final = {
    "persisted": "persisted",
    "frame-sent": "published",
    "frame-delivered": "delivered",
    "visible": "visible",
}


@dataclass(frozen=True)
class Step:
    """The first time that something happened to an event."""

    at_ms: float
    position: int
    """Position in the happenings: the order within one instant of virtual time."""


def ways(failure: Failure) -> dict[str, dict[str, Step]]:
    """The steps that each event took, by event and by name in the order of `STEPS`."""
    taken: dict[str, dict[str, Step]] = {}
    for position, happening in enumerate(failure.happenings):
        step = _STEP_OF.get(happening["what"])
        if step is not None and "event" in happening:
            steps = taken.setdefault(str(happening["event"]), {})
            steps.setdefault(step, Step(float(happening["at_ms"]), position))
    return {
        event: {step: steps[step] for step in STEPS if step in steps}
        for event, steps in taken.items()
    }


def concerned(failure: Failure) -> dict[str, dict[str, Any]]:
    """The events that the evidence names, each with the facts of its first mention."""
    events: dict[str, dict[str, Any]] = {}
    for entry in failure.judgement.evidence:
        for event in entry.events:
            events.setdefault(str(event["id"]), event)
    return events


@dataclass(frozen=True)
class RequestSpan:
    """A REST request, and when it was answered, if ever."""

    number: object
    says: str
    """Such as `POST run`."""
    begin_ms: float
    end_ms: float | None
    status: object = None
    """The HTTP status; None: the connection ended without an answer."""
    polled: object = None
    """The execution status in the answer."""
    answered_at: int = -1
    """Position of the answer in the happenings."""


CALLED: Final = ("run-called", "test-called")
ENDED: Final = ("run-returned", "run-raised", "test-passed", "test-failed")
"""The happenings that begin and that end what a trial is about."""


def requests(failure: Failure) -> list[RequestSpan]:
    """All requests in the order in which they were sent."""
    ends = {
        happening.get("number"): (position, happening)
        for position, happening in enumerate(failure.happenings)
        if happening["what"] in ("answer", "unanswered")
    }
    return [_request(asked, *ends.get(asked.get("number"), (-1, {}))) for asked in _asked(failure)]


def _asked(failure: Failure) -> Iterator[dict[str, Any]]:
    return (happening for happening in failure.happenings if happening["what"] == "request")


def _request(asked: dict[str, Any], position: int, end: dict[str, Any]) -> RequestSpan:
    return RequestSpan(
        number=asked.get("number"),
        says=endpoint(asked.get("method", "request"), asked.get("route", "")),
        begin_ms=float(asked["at_ms"]),
        end_ms=float(end["at_ms"]) if end else None,
        status=end.get("status"),
        polled=end.get("execution_status"),
        answered_at=position,
    )


def blamed_call(failure: Failure) -> tuple[int | None, int | None]:
    """Where in the happenings the call of `run()` that the evidence is about begins and ends.

    If it is about no call, the first call counts. None: never.
    """
    blamed = (entry.call for entry in failure.judgement.evidence if entry.call is not None)
    number = next(blamed, 1)
    begin = end = None
    for position, happening in enumerate(failure.happenings):
        if happening.get("call", 1) != number:
            continue
        if happening["what"] in CALLED:
            begin = position
        elif happening["what"] in ENDED:
            end = position
    return begin, end


def since_run(failure: Failure) -> Failure:
    """The failure with its times counted from the call of `run()`, if it was called."""
    called_ms = next(
        (happening["at_ms"] for happening in failure.happenings if happening["what"] in CALLED),
        0.0,
    )

    def moved(facts: dict[str, Any]) -> dict[str, Any]:
        return {
            name: value - called_ms if name in _INSTANTS and value is not None else value
            for name, value in facts.items()
        }

    judgement = failure.judgement
    evidence = tuple(
        replace(entry, events=tuple(moved(event) for event in entry.events))
        for entry in judgement.evidence
    )
    return replace(
        failure,
        judgement=replace(judgement, evidence=evidence),
        happenings=tuple(moved(happening) for happening in failure.happenings),
    )


def names_of(failure: Failure) -> Names:
    names = Names(failure.happenings)
    for entry in failure.judgement.evidence:
        for event in entry.events:
            names.learn(str(event["id"]), event)
    return names


def where(failure: Failure, width: int | None = None) -> str:
    """Client, scenario, world and server; if that is longer than `width` characters, a long path
    in it is shortened."""
    if width is not None:
        rest = len(where(replace(failure, client="")))
        return where(
            replace(failure, client=shortened(failure.client, max(width - rest, width // 2)))
        )
    version = failure.resolved_version
    client = failure.client if failure.client == version else f"{failure.client} ({version})"
    kind = "scenario" if failure.schedule.test is None else "test"
    return unbroken(
        f"client {client}, {kind} {failure.schedule.scenario}, "
        f"{failure.world} world, {failure.server} server"
    )


def sentence(entry: Evidence) -> str:
    return f"{entry.verdict}: {' '.join(entry.says.split())}"


def way(event: dict[str, Any], names: Names) -> str:
    """An event's way in times: `#4 ActionEvent: persisted 24.5, published 25.0, never visible`."""
    steps = []
    if any(f"{step}_ms" in event for step in STEPS):
        # The oracle gives the time of each step that the event took.
        known = STEPS if event.get("framed", True) else ("persisted", "visible")
        times = {step: event.get(f"{step}_ms") for step in known}
        steps += [
            f"never {step}" if at_ms is None else f"{step} {clock(at_ms)}"
            for step, at_ms in times.items()
        ]
    if event.get("trailing"):
        steps.append("trailing: persisted after the run's last snapshot")
    name = names.full(str(event["id"]))
    return f"{name}: {', '.join(steps)}" if steps else name


def replay_command(path: Path | None, client: str, test: str | None = None) -> str:
    """`client` and `test` are those of the file. A file alone never runs the user's own code, so
    the command names that."""
    file = "FILE" if path is None else shlex.quote(unbroken(str(path)))
    return f"replay: race replay {file}{needed_options(client, test)}"


def replay_of(failure: Failure, path: Path | None) -> str:
    """The replay command of a failure; `path` is its file."""
    return replay_command(path, failure.client, failure.schedule.test)
