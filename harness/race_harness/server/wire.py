"""What the fake and the real server have in common on the wire: routes, events and statuses."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from race_harness.network.dialect import Dialect

Event = dict[str, Any]

FULL_STATE = "full_state"
FINAL = ("finished", "error", "stuck", "paused", "waiting_for_confirmation")
"""Statuses in which a run can end."""

encode = json.JSONEncoder(separators=(",", ":")).encode
"""Returns compact JSON, like the real server's."""


@lru_cache(maxsize=256)
def route_name(method: str, path: str) -> str:
    """Return a short name without ids: `POST run`, `GET conversation`, `GET events/search`."""
    parts = [part for part in path.split("/") if part and part not in ("api", "acp")]
    if parts[:1] != ["conversations"]:
        return f"{method} {'/'.join(parts)}"
    match parts[2:]:
        case []:
            return f"{method} conversation" if len(parts) == 2 else f"{method} conversations"
        case ["events", name] if name not in ("search", "count", "respond_to_confirmation"):
            return f"{method} event"
        case rest:
            return f"{method} {'/'.join(rest)}"


def describe(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the details of an event for a happening: `event`, `kind`; for a tool's event its
    `tool_name`; for a state update its `key` and `value` (for a full state, only the status)."""
    told = {"event": event["id"], "kind": event.get("kind", "")}
    if event.get("tool_name") is not None:
        told["tool_name"] = event["tool_name"]
    if event.get("key") is not None:
        value = event["value"]
        if event["key"] == FULL_STATE:
            value = value.get("execution_status")
        told["key"] = event["key"]
        # Values that are no text may be large, and nobody needs them.
        told["value"] = value if isinstance(value, str) else None
    return told


class AgentServerDialect(Dialect):
    """The dialect of the agent server, fake or real."""

    def route(self, method: str, path: str) -> str:
        return route_name(method, path)

    def execution_status(self, route: str, body: bytes) -> str | None:
        if route not in ("GET conversation", "POST conversations"):
            return None
        answer = _json(body)
        return answer.get("execution_status") if isinstance(answer, dict) else None

    def frame(self, message: str | bytes) -> Mapping[str, Any] | None:
        event = _json(message)
        return describe(event) if isinstance(event, dict) and "id" in event else None


def _json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
