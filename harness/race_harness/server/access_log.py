"""Records requests, answers and frames when the harness's own network does not carry them.

`race serve` prints them. In trials, `network.tap` records the same from the bytes on the wire.
"""

from itertools import count
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from race_harness.model.trace import Trace
from race_harness.network.dialect import Dialect


class AccessLog:
    """Wraps an application."""

    def __init__(self, app: ASGIApp, trace: Trace, dialect: Dialect) -> None:
        self._app = app
        self._trace = trace
        self._dialect = dialect
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._request(scope, receive, send)
        else:
            await self._socket(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        number, method = next(self._numbers), scope["method"]
        route = self._dialect.route(method, scope["path"])
        peer = scope["client"][1]
        self._trace.record("rest", "request", method=method, route=route, number=number, peer=peer)
        status, body, whole = None, b"", False

        async def answer(message: Message) -> None:
            nonlocal status, body, whole
            status = message.get("status", status)
            body += message.get("body", b"")
            # The client may act on it before it is recorded.
            at_ns = self._trace.now_ns()
            await send(message)
            whole = message["type"] == "http.response.body" and not message.get("more_body")
            if whole:
                told: dict[str, Any] = {"number": number, "status": status}
                execution_status = self._dialect.execution_status(route, body)
                if execution_status is not None:
                    told["execution_status"] = execution_status
                self._trace.record("rest", "answer", at_ns=at_ns, **told)

        try:
            await self._app(scope, receive, answer)
        finally:
            if not whole and status is not None:
                self._trace.record("rest", "answer", number=number, status=status, cut=True)
            elif not whole:
                self._trace.record("rest", "unanswered", number=number)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Message) -> None:
            at_ns = self._trace.now_ns()
            await send(message)
            if message["type"] == "websocket.send":
                told = self._dialect.frame(message.get("text") or message.get("bytes") or b"")
                if told is not None:
                    peer = scope["client"][1]
                    self._trace.record("socket", "frame-sent", at_ns=at_ns, **told, peer=peer)

        await self._app(scope, receive, sent)
