"""Reads recorded sessions of a real server, as JSON lines, and returns their labels."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from race_harness.conformance.labels import Label, event_name, numbered
from race_harness.server.wire import route_name

TOLD = frozenset({"request", "answer", "subscribed", "persisted", "status", "frame"})
"""The labels that such a recording has: all but the milestones of runs."""


def sessions(lines: Iterable[str]) -> list[tuple[Label, ...]]:
    """Return the labels of each conversation, in order, until its client closes it.

    The requests of the recording program itself (`"who": "test"`) are left out, and so is
    everything that the client recorded.
    """
    found: list[list[Label]] = []
    over = False
    for line in lines:
        entry = json.loads(line)
        if str(entry["what"]).startswith("==="):
            found.append([])
            over = False
        elif entry["what"] == "close begin":
            over = True
        elif found and not over:
            found[-1].extend(_labels(entry))
    return [numbered(session) for session in found]


def as_told(labels: Iterable[Label]) -> tuple[Label, ...]:
    """Return those labels of another run that a recording would have."""
    return numbered(label for label in labels if label.what in TOLD)


def _labels(entry: dict[str, Any]) -> Iterator[Label]:
    match entry["side"], entry["what"]:
        case "server", "REST recv" if entry["who"] == "client":
            yield Label("rest", "request", route_name(entry["method"], entry["path"]))
        case "server", "REST sent" if entry["who"] == "client":
            told = [route_name(entry["method"], entry["path"]), str(entry["status"])]
            status = entry["body"].get("execution_status")
            yield Label("rest", "answer", " ".join(told if status is None else [*told, status]))
        case "server", "websocket.accept":
            # This is the client's only socket; the server subscribes it with no await in between.
            yield Label("socket", "subscribed", connection=1)
        case "server", "WS send begin":
            yield Label("socket", "frame", _name(entry), connection=1)
        case "store", "persisted":
            yield Label("server", "persisted", _name(entry))
        case "store", "state.execution_status assign begin":
            yield Label("server", "status", entry["value"])


def _name(entry: dict[str, Any]) -> str:
    value = entry.get("value")
    if isinstance(value, dict):
        value = value["execution_status"]
    return event_name(entry["kind"], entry.get("key"), value, entry.get("tool_name"))
