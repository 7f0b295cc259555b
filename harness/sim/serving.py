"""Serves an ASGI application in the simulation with uvicorn's own protocol classes.

`uvicorn.Server` itself is about sockets and signals, of which there are none here.
"""

import asyncio
import logging
from collections.abc import Callable

from fastapi import FastAPI
from uvicorn.config import Config
from uvicorn.server import ServerState

from harness.sim.network import HOST

PORT = 8000
URL = f"http://{HOST}:{PORT}"


class UvicornSite:
    """An application ready to be served in many trials: loading its configuration is slow."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self._config = Config(
            app,
            http="h11",
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            log_level=logging.CRITICAL,
        )
        self._config.load()
        # Frames must not differ by the day on which a trial runs.
        self._headers = [(b"server", b"race-harness")]

    async def serve(self, ready: Callable[[], object], stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then say goodbye to each connection and hang up."""
        state = ServerState()
        state.default_headers = self._headers

        def protocol() -> asyncio.Protocol:
            made: asyncio.Protocol = self._config.http_protocol_class(  # type: ignore[call-arg]
                config=self._config, server_state=state, app_state={}
            )
            return made

        server = await asyncio.get_running_loop().create_server(protocol, HOST, PORT)
        ready()
        await stop.wait()
        server.close()
        for connection in list(state.connections):
            connection.shutdown()
