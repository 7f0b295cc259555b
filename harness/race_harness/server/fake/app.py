"""The fake agent server as a FastAPI app.

Each process builds the app once. `app.state.server` holds the server of one trial, and its owner
replaces it. The handlers are plain Starlette endpoints, so that nothing is validated twice.
"""

from functools import cache

from fastapi import FastAPI
from starlette.routing import Route, WebSocketRoute

from race_harness.model.schedule import Schedule
from race_harness.model.trace import Trace
from race_harness.server.disk import StorageError
from race_harness.server.fake import rest, sockets
from race_harness.server.fake.entrance import Entrance
from race_harness.server.fake.event_service import AgentServer
from race_harness.server.handover import Handover
from race_harness.server.profile import Profile
from race_harness.server.shown import State, state_in, tell_when_asked


class FakeServer:
    """The fake agent server of one trial, playing the release `version`."""

    def __init__(self, version: str, schedule: Schedule, trace: Trace) -> None:
        self.app = _app()
        self.app.state.server = self._server = AgentServer(schedule, trace, Profile.of(version))
        tell_when_asked(trace, self._state)

    def _state(self) -> State | None:
        for conversation in self._server.conversations.values():
            return state_in(conversation.info(conversation.status))
        return None

    def keep(self, handover: Handover) -> None:
        self._server.keep(handover)

    async def restart(self) -> None:
        await self._server.restart()

    async def aclose(self) -> None:
        await self._server.aclose()


def create_app(server: AgentServer | None = None) -> FastAPI:
    """Make the app. While `app.state.server` is None, it answers every request with 503."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.server = server
    app.add_middleware(Entrance)
    app.add_exception_handler(StorageError, rest.storage_failed)
    routes = app.router.routes
    routes.append(WebSocketRoute("/sockets/events/{conversation_id}", sockets.events_socket))
    for method, path, handler in rest.ROUTES:
        routes.append(Route(path, handler, methods=[method]))
        if path.startswith("/api/"):
            # For agents of 1.15 to 1.22 that speak ACP, the same routes have another path.
            acp = path.replace("/api/", "/api/acp/", 1)
            routes.append(Route(acp, handler, methods=[method]))
    return app


@cache
def _app() -> FastAPI:
    return create_app()
