"""What the bytes on its connections mean to an application."""

import re
from collections.abc import Mapping
from typing import Any, Final

from race_harness.model.schedule import Route

ROUTES: Final[Mapping[str, Route]] = {
    "GET conversation": "conversation",
    "GET events/search": "events",
    "POST conversations": "create",
    "POST events": "send-message",
    "POST run": "run",
    "POST pause": "pause",
    "POST interrupt": "interrupt",
}
"""Names of routes in happenings, to their names in schedules."""

_NAMES: Final = {route: name for name, route in ROUTES.items()}


class Dialect:
    """The words of one kind of server, for what it sends and receives.

    `routes` maps its routes to the schedule's names: `{"POST /jobs/{id}/start": "run"}`, in
    Starlette's path syntax. Other routes are named by method and path.

    A subclass can say more. Its methods are called in any thread, and more than once for one
    message: they must depend on their arguments alone.
    """

    def __init__(self, routes: Mapping[str, Route] | None = None) -> None:
        self._routes = [(*_pattern(path), _NAMES[route]) for path, route in (routes or {}).items()]

    def route(self, method: str, path: str) -> str:
        """The name of a request: one of `ROUTES`, or any other short text."""
        for wanted, pattern, name in self._routes:
            if wanted == method and pattern.match(path):
                return name
        return f"{method} {path}"

    def execution_status(self, route: str, body: bytes) -> str | None:
        """The status of a run in the body of an answer, which makes it a poll."""
        return None

    def frame(self, message: str | bytes) -> Mapping[str, Any] | None:
        """What to record of a message that the server sends over a WebSocket: `event` and `kind`,
        if it is about an event, and any other JSON values. None: nothing."""
        size = len(message)
        return {"kind": "text" if isinstance(message, str) else "bytes", "size": size}


def _pattern(route: str) -> tuple[str, re.Pattern[str]]:
    # Imported here: a server that names no routes works without Starlette.
    from starlette.routing import compile_path

    method, path = route.split()
    return method, compile_path(path)[0]
