"""The fake agent server on a loopback port, to which any client can connect."""

import asyncio
import logging
import socket
import time
from contextlib import suppress
from datetime import datetime

import uvicorn

from race_harness.model.schedule import Schedule
from race_harness.model.trace import Happening, Trace
from race_harness.network.loopback import HOST, listening_socket
from race_harness.server.access_log import AccessLog
from race_harness.server.fake.app import create_app
from race_harness.server.fake.event_service import AgentServer
from race_harness.server.fake.strangers import Strangers
from race_harness.server.profile import Profile
from race_harness.server.wire import AgentServerDialect


def serve(schedule: Schedule, *, port: int, version: str) -> None:
    """Serve until Ctrl-C, and print a line for each happening.

    `port` 0 takes a free one; `version` is the release whose server it imitates.

    Raises:
        UsageError: the port is in use or not allowed, or `version` is no version.
    """
    profile = Profile.of(version)
    # On Ctrl-C uvicorn shuts down, and then raises it again.
    with listening_socket(port) as listener, suppress(KeyboardInterrupt):
        asyncio.run(_serve(schedule, profile, listener))


async def _serve(schedule: Schedule, profile: Profile, listener: socket.socket) -> None:
    began = time.monotonic_ns()
    trace = Trace(lambda: time.monotonic_ns() - began)
    trace.listeners.append(lambda happening: print(line(happening), flush=True))
    server = AgentServer(schedule, trace, profile, epoch=datetime.now())
    app = Strangers(AccessLog(create_app(server), trace, AgentServerDialect()), _tell)
    config = uvicorn.Config(app, ws="websockets-sansio", lifespan="off", log_level="warning")
    # For a frame that is no text, uvicorn would print a stack.
    logging.getLogger("uvicorn.error").addFilter(_in_one_line)
    port = listener.getsockname()[1]
    print(
        f"http://{HOST}:{port} plays agent server {profile.version}; Ctrl-C stops it", flush=True
    )
    try:
        await uvicorn.Server(config).serve(sockets=[listener])
    finally:
        try:
            await server.aclose()
        except Exception as failure:
            # A failure of a handler was printed when it happened.
            _tell(f"{type(failure).__name__}: {failure}")


def _in_one_line(record: logging.LogRecord) -> bool:
    record.exc_info = None
    return True


def _tell(line: str) -> None:
    print(f"race: {_printable(line)}", flush=True)


def line(happening: Happening) -> str:
    """Return a line such as `  12.345 ms  server  status  status=running run=1`."""
    detail = " ".join(f"{name}={_printable(value)}" for name, value in happening.detail.items())
    at_ms = happening.at_ns / 1e6
    return f"{at_ms:12.3f} ms  {happening.lane:<7} {happening.what:<16} {detail}".rstrip()


def _printable(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else ascii(text)[1:-1]
