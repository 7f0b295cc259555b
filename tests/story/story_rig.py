"""A failure made by hand: a client asks for a run, polls it, believes a poll that says `finished`,
and returns while the last two events are still on their way.
"""

from dataclasses import replace
from typing import Any

from race_harness.model.evidence import Evidence
from race_harness.model.failure import Failure
from race_harness.model.schedule import Schedule, ServerTiming
from race_harness.model.verdict import Judgement

Happening = dict[str, Any]


def at(at_ms: float, lane: str, what: str, **detail: Any) -> Happening:
    return {"at_ms": at_ms, "lane": lane, "what": what, **detail}


def persisted(at_ms: float, event: str, kind: str, **detail: Any) -> Happening:
    return at(at_ms, "server", "persisted", event=event, kind=kind, **detail)


def seen(at_ms: float, event: str) -> list[Happening]:
    """An event's arrival, all within one moment of virtual time."""
    return [
        at(at_ms, "socket", "frame-delivered", event=event, peer="client"),
        at(at_ms, "client", "callback", event=event, kind="any"),
        at(at_ms, "client", "callback-done", event=event),
        at(at_ms, "client", "visible", event=event),
    ]


def poll(
    number: int, at_ms: float, says: str, answered_ms: float | None = None
) -> list[Happening]:
    route = "/api/conversations/0a1b/"
    return [
        at(at_ms, "rest", "request", method="GET", route=route, number=number),
        at(
            at_ms + 1 if answered_ms is None else answered_ms,
            "rest",
            "answer",
            number=number,
            status=200,
            execution_status=says,
        ),
    ]


STATE = "ConversationStateUpdateEvent"

BEFORE: list[Happening] = [
    at(0.0, "rest", "request", method="POST", route="/api/conversations", number=1),
    persisted(1.0, "e-system", "SystemPromptEvent"),
    at(2.0, "rest", "answer", number=1, status=201),
    at(3.0, "socket", "subscribed", peer="client"),
    *seen(4.0, "e-system"),
]

RUN: list[Happening] = [
    at(0.0, "client", "run-called"),
    at(10.0, "rest", "request", method="POST", route="/api/conversations/0a1b/run", number=2),
    at(10.5, "server", "run-requested"),
    at(10.5, "server", "run-accepted", run=1),
    at(11.0, "rest", "answer", number=2, status=200),
    at(11.4, "server", "run-started", run=1),
    at(11.4, "server", "status", status="running", run=1),
    *poll(3, 20.0, "running"),
    *poll(4, 1021.0, "running"),
    *poll(5, 2022.0, "running"),
    persisted(2500.0, "e-action", "ActionEvent", tool="finish"),
    at(2500.1, "server", "publication", event="e-action"),
    persisted(2501.0, "e-observation", "ObservationEvent", tool="finish"),
    at(2501.2, "server", "status", status="finished", run=1),
    at(2501.2, "server", "run-ended", run=1, status="finished"),
    *poll(6, 3023.0, "finished"),
    at(3024.0, "client", "run-returned"),
    at(5500.0, "socket", "frame-sent", event="e-action", kind="ActionEvent", peer="client"),
    at(
        5500.5,
        "socket",
        "frame-sent",
        event="e-observation",
        kind="ObservationEvent",
        peer="client",
    ),
    *seen(5501.0, "e-action"),
    *seen(5501.5, "e-observation"),
    at(13024.0, "client", "close-called"),
    at(13025.0, "client", "close-returned"),
]

LATE = Evidence(
    "late",
    "2 events were persisted before run() returned and became visible only afterwards",
    (
        {
            "id": "e-action",
            "kind": "ActionEvent",
            "persisted_ms": 2500.0,
            "published_ms": 5500.0,
            "delivered_ms": 5501.0,
            "visible_ms": 5501.0,
        },
        {"id": "e-observation", "kind": "ObservationEvent"},
    ),
)


def late_failure() -> Failure:
    return Failure(
        schedule=Schedule("slow-publication", server=ServerTiming(publish_ms=3000.0)),
        judgement=Judgement(("late",), (LATE,)),
        digest="d" * 32,
        client="1.10.0",
        resolved_version="1.10.0",
        server="fake",
        world="sim",
        happenings=(*BEFORE, *RUN),
        stacks={},
    )


def with_run(failure: Failure, *happenings: Happening) -> Failure:
    """The failure with another run, told from `run-called` on."""
    return replace(failure, happenings=(at(0.0, "client", "run-called"), *happenings))
