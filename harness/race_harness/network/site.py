"""Serves an ASGI application with uvicorn's own protocol classes, in the simulation or not.

`uvicorn.Server` itself handles sockets and signals, of which the simulation has none. In real time
it would only add differences that trials must not have.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect
from uvicorn.config import Config
from uvicorn.server import ServerState
from websockets.exceptions import InvalidState

from race_harness.network import whose
from race_harness.network.loopback import ASIDE_PORT, HOST, PORT
from race_harness.network.unhurried import UnhurriedSocket

URL = f"http://{HOST}:{PORT}"
ASIDE_URL = f"http://{HOST}:{ASIDE_PORT}"
"""The URL for other users than the client."""


_GONE = (OSError, ClientDisconnect, WebSocketDisconnect)
"""Exceptions that may end an application when its client has gone."""


class UvicornSite:
    """Serves applications, one after another: loading the configuration is slow."""

    def __init__(self, app: ASGIApp | None = None) -> None:
        self.app = app
        """The application; it may be replaced between two trials."""
        self.on_failure: Callable[[Exception], object] | None = None
        """Called with a failure of a handler, at once."""
        self._failure: Exception | None = None
        self._aside = ASIDE_PORT
        self._config = Config(
            self._handle,
            http="h11",
            ws=UnhurriedSocket,
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            log_level=logging.CRITICAL,
        )
        self._config.load()
        # Without uvicorn's date header: bytes must not depend on the day of a trial.
        self._headers = [(b"server", b"race-harness")]

    async def serve(
        self,
        ready: Callable[[], object],
        stop: asyncio.Event,
        listener: socket.socket | None = None,
        aside: socket.socket | None = None,
        *,
        again: bool = False,
    ) -> None:
        """Serve until `stop` is set, then say goodbye to each connection and hang up.

        `listener` is a real socket; None: the simulation's host and port. Other users than the
        client connect to `aside`. `again`: the server before has crashed.

        Raises:
            Exception: a handler of the application raised it. The client got a 500, and would be
                blamed for its reaction.
        """
        self._failure = self._failure if again else None
        state = ServerState()
        state.default_headers = self._headers

        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = self._config.http_protocol_class(  # type: ignore[call-arg]
                config=self._config, server_state=state, app_state={}
            )
            return made

        loop = asyncio.get_running_loop()
        if listener is None:
            server = await loop.create_server(protocol, HOST, PORT)
        else:
            server = await loop.create_server(protocol, sock=listener)
        beside = None
        if aside is not None:
            self._aside = aside.getsockname()[1]
            beside = await loop.create_server(protocol, sock=aside)
        ready()
        await stop.wait()
        server.close()
        if beside is not None:
            beside.close()
        for connection in list(state.connections):
            # A connection that has yet to answer its peer's close frame cannot be closed again.
            with contextlib.suppress(InvalidState):
                connection.shutdown()
        if self._failure is not None:
            raise self._failure

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.app is None:
            raise RuntimeError("no application is served here")
        if scope["server"][1] == self._aside:
            whose.asks.set(True)
        try:
            await self.app(scope, receive, send)
        except Exception as failure:
            if not isinstance(failure, _GONE):
                self._failure = self._failure or failure
                if self.on_failure is not None:
                    self.on_failure(failure)
            raise
