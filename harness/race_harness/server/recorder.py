"""Records what goes over REST, and spoils what the schedule says, for a server of any kind.

Timelines show it, faults wait for it ("when `POST /run` is answered"), and the oracle excuses a
client that could not know better.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from race_harness.model.schedule import Route, Schedule
from race_harness.model.trace import Trace
from race_harness.server.rest_faults import ROUTES, CutOffError, RestFaults, SpoilingProxy

STATUS_IN_SCOPE: Final = "race_harness.execution_status"
"""Where a handler notes the status that its answer tells, in the ASGI scope of the request."""

_NAMES = {route: name for name, route in ROUTES.items()}


class Recorder:
    """Stands before the application of one trial.

    `routes` says which of its routes are what: `{"POST /jobs/{id}/start": "run"}`, in Starlette's
    path syntax and the schedule's names. Others are recorded by method and path.

    A handler that tells the status of a run sets `scope[STATUS_IN_SCOPE]` to it as well: then the
    request is a poll.
    """

    def __init__(
        self, app: ASGIApp, schedule: Schedule, trace: Trace, routes: Mapping[str, Route]
    ) -> None:
        self._app = app
        self._trace = trace
        self._faults = RestFaults(schedule.rest, trace)
        self._routes = [(*_pattern(path), _NAMES[route]) for path, route in routes.items()]
        self._requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        self._requests += 1
        route = self._name(scope["method"], scope["path"])
        recorded = recording(self._app, self._trace, self._faults, self._requests, route)
        await recorded(scope, receive, send)

    def _name(self, method: str, path: str) -> str:
        for wanted, pattern, name in self._routes:
            if wanted == method and pattern.match(path):
                return name
        return f"{method} {path}"


def recording(app: ASGIApp, trace: Trace, faults: RestFaults, number: int, route: str) -> ASGIApp:
    """The application for one request, which is recorded, and spoiled if it is its turn."""

    async def recorded(scope: Scope, receive: Receive, send: Send) -> None:
        trace.record("rest", "request", method=scope["method"], route=route, number=number)
        status, answered = 0, False

        async def answer(message: Message) -> None:
            nonlocal status, answered
            status = message.get("status", status)
            # The client may act upon it before it is recorded.
            at_ns = trace.now_ns()
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                answered = True
                told: dict[str, Any] = {"number": number, "status": status}
                if STATUS_IN_SCOPE in scope:
                    told["execution_status"] = scope[STATUS_IN_SCOPE]
                trace.record("rest", "answer", at_ns=at_ns, **told)

        served = app
        fault = faults.of_request(route)
        if fault is not None:
            faults.record(fault, number)
            served = SpoilingProxy(app, fault, hidden=STATUS_IN_SCOPE)
        try:
            await served(scope, receive, answer)
        except CutOffError:
            answered = True
            trace.record("rest", "answer", number=number, status=status, cut=True)
            raise
        finally:
            if not answered:
                trace.record("rest", "unanswered", number=number)

    return recorded


def _pattern(route: str) -> tuple[str, re.Pattern[str]]:
    method, path = route.split()
    return method, compile_path(path)[0]
