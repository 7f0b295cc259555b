"""What an application means by what goes over its connections."""

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
"""What happenings call a route, to what schedules call it."""

_NAMES: Final = {route: name for name, route in ROUTES.items()}


class Dialect:
    """The words of one kind of server, for what is heard on the wire.

    `routes` says which of its routes are what: `{"POST /jobs/{id}/start": "run"}`, in Starlette's
    path syntax and the schedule's names. Others are called by method and path.

    A subclass says more. Its methods are called in any thread, and more than once for one message:
    they look at what they are given and at nothing else.
    """

    def __init__(self, routes: Mapping[str, Route] | None = None) -> None:
        self._routes = [(*_pattern(path), _NAMES[route]) for path, route in (routes or {}).items()]

    def route(self, method: str, path: str) -> str:
        """What a request is called: one of `ROUTES`, or anything else that is short."""
        for wanted, pattern, name in self._routes:
            if wanted == method and pattern.match(path):
                return name
        return f"{method} {path}"

    def execution_status(self, route: str, body: bytes) -> str | None:
        """The status of a run that the body of an answer tells, which makes it a poll."""
        return None

    def frame(self, message: str | bytes) -> Mapping[str, Any] | None:
        """What is told of a message that the server sends over a WebSocket: `event` and `kind`, if
        it is about an event, and whatever else is JSON. None: nothing."""
        size = len(message)
        return {"kind": "text" if isinstance(message, str) else "bytes", "size": size}


def _pattern(route: str) -> tuple[str, re.Pattern[str]]:
    # A server that is not Starlette's, and names no routes, does without it.
    from starlette.routing import compile_path

    method, path = route.split()
    return method, compile_path(path)[0]
