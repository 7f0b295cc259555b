"""Records what goes over REST, for a server of any kind.

Timelines show it, faults wait for it ("when `POST /run` is answered"), and the oracle excuses a
client that raised because it was never answered.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harness.schedule import Route
from harness.server.rest import STATUS_IN_SCOPE
from harness.trace import Trace

NAMES: Final[dict[Route, str]] = {
    "create": "POST conversations",
    "send-message": "POST events",
    "run": "POST run",
    "pause": "POST pause",
    "interrupt": "POST interrupt",
    "conversation": "GET conversation",
    "events": "GET events/search",
}
"""The schedule's name of a route, to the recording's, which is the fake agent server's."""


class Recorder:
    """Stands before the application of one trial.

    `routes` says which of its routes are what: `{"POST /jobs/{id}/start": "run"}`, in Starlette's
    path syntax and the schedule's names. Others are recorded by method and path.

    A handler that tells the status of a run puts it into `scope["execution_status"]` as well: the
    request is a poll then.
    """

    def __init__(self, app: ASGIApp, trace: Trace, routes: Mapping[str, Route]) -> None:
        self._app = app
        self._trace = trace
        self._routes = [(*_pattern(path), NAMES[name]) for path, name in routes.items()]
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._requests += 1
        number, trace = self._requests, self._trace
        method = scope["method"]
        route = self._name(method, scope["path"])
        trace.record("rest", "request", method=method, route=route, number=number)
        status, answered = 0, False

        async def answer(message: Message) -> None:
            nonlocal status, answered
            status = message.get("status", status)
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                answered = True
                told: dict[str, Any] = {"number": number, "status": status}
                if STATUS_IN_SCOPE in scope:
                    told["execution_status"] = scope[STATUS_IN_SCOPE]
                trace.record("rest", "answer", **told)

        try:
            await self._app(scope, receive, answer)
        finally:
            if not answered:
                trace.record("rest", "unanswered", number=number)

    def _name(self, method: str, path: str) -> str:
        for wanted, pattern, name in self._routes:
            if wanted == method and pattern.match(path):
                return name
        return f"{method} {path}"


def _pattern(route: str) -> tuple[str, re.Pattern[str]]:
    method, path = route.split()
    return method, compile_path(path)[0]
