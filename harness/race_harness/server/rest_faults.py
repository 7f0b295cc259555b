"""REST faults: what a proxy between client and server does to single requests.

Real deployments have one: load balancers answer 502, 503 and 504 for a server that restarts, and
429 for one that is busy; they time out, and they cut answers off when they restart themselves. The
server may have acted on the request by then or not, so the schedule says which.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from race_harness.model.schedule import RestFault
from race_harness.model.trace import Happening, Trace
from race_harness.network.dialect import ROUTES
from race_harness.server.bodies import body_of, replayed
from race_harness.server.handover import Handover
from race_harness.server.wire import encode


class CutOffError(OSError):
    """The proxy hangs up in the middle of an answer."""


class RestFaults:
    """Counts the requests of a trial, and knows which of them gets which fault."""

    def __init__(self, faults: Sequence[RestFault], trace: Trace) -> None:
        self._faults = faults
        self._trace = trace
        self._running = any(map(_is_begin, trace.happenings))
        self._handover: Handover | None = None
        self._seen: Counter[tuple[str, bool]] = Counter()
        if faults:
            trace.listeners.append(self._notice)

    def keep(self, handover: Handover) -> None:
        """Go on counting where a process before this one has stopped."""
        for _, name, running in handover.entries("asked"):
            self._count(name, running=running)
        self._handover = handover

    def of_request(self, name: str) -> RestFault | None:
        """Count the next request of a route, given by the dialect's name; return its fault."""
        if self._handover is not None:
            self._handover.note("asked", name, self._running)
        route = self._count(name, running=self._running)
        for fault in self._faults:
            seen = self._seen[fault.route, fault.since == "run-called"]
            if fault.route in (route, "any") and fault.nth <= seen < fault.nth + fault.times:
                return fault
        return None

    def _count(self, name: str, *, running: bool) -> str | None:
        """Count a request; return its route."""
        route = ROUTES.get(name)
        scopes = (False, True) if running else (False,)
        for since_run in scopes:
            self._seen["any", since_run] += 1
            if route is not None:
                self._seen[route, since_run] += 1
        return route

    def record(self, fault: RestFault, peer: int) -> None:
        """Record that the fault hits the last request on the connection of that peer."""
        told: dict[str, Any] = {}
        if fault.action == "status":
            told["status"] = fault.status
        if fault.delay_ms:
            told["delay_ms"] = fault.delay_ms
        self._trace.record("rest", "fault", action=fault.action, peer=peer, **told)

    def _notice(self, happening: Happening) -> None:
        self._running = self._running or _is_begin(happening)


def _is_begin(happening: Happening) -> bool:
    return happening.what == "run-called"


class SpoilingProxy:
    """Wraps an application and spoils one request."""

    def __init__(self, app: ASGIApp, fault: RestFault) -> None:
        self._app = app
        self._fault = fault

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._fault
        body = await body_of(receive)
        if not fault.acted:
            await asyncio.sleep(fault.delay_ms / 1000)
        answer: list[Message] = []
        if fault.acted or fault.action in ("delay", "truncate", "empty"):
            answer = await self._answer(scope, receive, body)
        if fault.acted:
            await asyncio.sleep(fault.delay_ms / 1000)
        if fault.action == "delay":
            for message in answer:
                await send(message)
            return
        match fault.action:
            case "timeout":
                while (await receive())["type"] != "http.disconnect":
                    pass
            case "status":
                await _send_json(send, fault.status, {"detail": "The proxy says no."})
            case "empty":
                await _send_json(send, 200, {"items": [], "next_page_id": None})
            case "truncate":
                await _cut_off(answer, send)

    async def _answer(self, scope: Scope, receive: Receive, body: bytes) -> list[Message]:
        answer: list[Message] = []

        async def keep(message: Message) -> None:
            answer.append(message)

        await self._app(scope, replayed(body, receive), keep)
        return answer


async def _send_json(send: Send, status: int, content: object) -> None:
    body = encode(content).encode()
    headers = [
        (b"content-length", str(len(body)).encode()),
        (b"content-type", b"application/json"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _cut_off(answer: Sequence[Message], send: Send) -> None:
    """Send the original head, which states the whole length, and half of the body.

    Raises:
        CutOffError: always, so that the server hangs up: it cannot take back the head.
    """
    start, *bodies = answer
    body = b"".join(message.get("body", b"") for message in bodies)
    await send(start)
    await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    raise CutOffError
