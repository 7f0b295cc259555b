"""The outermost layer of the app: records requests and answers, and checks the key."""

from typing import Any

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harness.server.conversation import AgentServer
from harness.server.rest import STATUS_IN_SCOPE, Answer
from harness.server.rest_faults import CutOffError, Proxy


class Recording:
    """Pure ASGI, since this is on the path of every request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        server: AgentServer | None = scope["app"].state.server
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
        elif server is None:
            await Response("no trial is under way", 503)(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._app(scope, receive, send)
        else:
            await self._record(server, scope, receive, send)

    async def _record(
        self, server: AgentServer, scope: Scope, receive: Receive, send: Send
    ) -> None:
        trace, number = server.trace, server.context.next_request()
        method, path = scope["method"], scope["path"]
        route = route_name(method, path)
        trace.record("rest", "request", method=method, route=route, number=number)
        status = 0
        answered = False

        async def answer(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status = message["status"]
                await server.context.loop_turn()
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                answered = True
                told: dict[str, Any] = {"number": number, "status": status}
                if STATUS_IN_SCOPE in scope:
                    told["execution_status"] = scope[STATUS_IN_SCOPE]
                trace.record("rest", "answer", **told)

        await server.context.loop_turn()
        app = self._app
        if path.startswith("/api/") and not _has_key(server, scope):
            app = Answer({"detail": "Unauthorized"}, 401)
        fault = server.rest_faults.of_request(route)
        if fault is not None:
            server.rest_faults.record(fault, number)
            app = Proxy(app, fault, hidden=STATUS_IN_SCOPE)
        try:
            await app(scope, receive, answer)
        except ClientDisconnect:
            pass  # In the middle of the request's body.
        except CutOffError:
            answered = True
            trace.record("rest", "answer", number=number, status=status, cut=True)
            raise
        except Exception as failure:
            server.context.note_failure(failure)
            raise
        finally:
            if not answered:
                trace.record("rest", "unanswered", number=number)


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


def _has_key(server: AgentServer, scope: Scope) -> bool:
    if not server.session_api_keys:
        return True
    for name, value in scope["headers"]:
        if name == b"x-session-api-key":
            return value.decode("latin-1") in server.session_api_keys
    return False
