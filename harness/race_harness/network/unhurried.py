"""uvicorn's end of a WebSocket, for an application that simulates a busy event loop."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

BUSY_IN_SCOPE: Final = "race_harness.busy"


class Busy(Protocol):
    """The event loop that an application simulates."""

    def locked(self) -> bool:
        """Whether it is busy."""

    def turn(self) -> Awaitable[None]:
        """Wait until it gets to the next thing that is ready."""


class UnhurriedSocket(WebSocketsSansIOProtocol):
    """Answers no ping and sends none while the application's event loop is busy.

    The application puts a `Busy` under `BUSY_IN_SCOPE` into the connection's scope. A real
    server's pings and pongs come from the very loop that its handlers keep busy, and a peer that
    has waited 20 s for a pong gives up the connection.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._held: deque[Callable[[], object]] = deque()
        self._waiting: asyncio.Task[None] | None = None

    def handle_ping(self) -> None:
        self._when_free(super().handle_ping)

    def send_keepalive_ping(self) -> None:
        self._when_free(super().send_keepalive_ping)

    def _when_free(self, act: Callable[[], object]) -> None:
        busy: Busy | None = getattr(self, "scope", {}).get(BUSY_IN_SCOPE)
        if busy is None or not (busy.locked() or self._held):
            act()
            return
        self._held.append(act)
        if self._waiting is None:
            self._waiting = self.loop.create_task(self._wait(busy))

    async def _wait(self, busy: Busy) -> None:
        await busy.turn()
        self._waiting = None
        while self._held:
            act = self._held.popleft()
            if not self.transport.is_closing():
                act()
