"""What goes over the wire: names and forms that the fake and the real server have in common."""

import json
from typing import Any

Event = dict[str, Any]

FULL_STATE = "full_state"
FINAL = ("finished", "error", "stuck", "paused", "waiting_for_confirmation")
"""Statuses that a run ends in."""

encode = json.JSONEncoder(separators=(",", ":")).encode
"""Compact JSON, as the real server's."""


def route_name(method: str, path: str) -> str:
    """Short and free of ids: `POST run`, `GET conversation`, `GET events/search`."""
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
