"""The outermost layer of the app, which spoils requests, delays them, and checks the key."""

from functools import partial

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from race_harness.network import whose
from race_harness.server.fake.event_service import AgentServer
from race_harness.server.fake.rest import JsonAnswer
from race_harness.server.rest_proxy import spoiled
from race_harness.server.wire import route_name


class Entrance:
    """Plain ASGI, since every request passes through it."""

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
        elif whose.asks.get():
            # It bypasses the client's proxy, and does not count among its requests.
            await self._serve(server, 0, scope, receive, send)
        else:
            number = server.context.next_request()
            route = route_name(scope["method"], scope["path"])
            app = partial(self._serve, server, number)
            await spoiled(app, server.rest_faults, scope, route)(scope, receive, send)

    async def _serve(
        self, server: AgentServer, number: int, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Answer when the real server's event loop would."""
        context = server.context
        await context.wait(context.rest_late_ms("request", number))
        await context.loop_look()

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                await context.wait(context.rest_late_ms("answer", number))
                await context.loop_turn()
            await send(message)

        app = self._app
        if scope["path"].startswith("/api/") and not _has_key(server, scope):
            app = JsonAnswer({"detail": "Unauthorized"}, 401)
        try:
            await app(scope, receive, answer)
        except ClientDisconnect:
            pass  # The client left in the middle of the request's body.
        except Exception as failure:
            server.context.note_failure(failure)
            raise


def _has_key(server: AgentServer, scope: Scope) -> bool:
    if not server.session_api_keys:
        return True
    for name, value in scope["headers"]:
        if name == b"x-session-api-key":
            return value.decode("latin-1") in server.session_api_keys
    return False
