"""A site ends beside a WebSocket that is closing, and does not hide another error."""

import asyncio

import pytest
from uvicorn.server import ServerState
from websockets.exceptions import InvalidState

from race_harness.network.loopback import listening_socket
from race_harness.network.site import UvicornSite


class Connection:
    """Raises when it is to end, as uvicorn's does if its close frame has been sent before."""

    def __init__(self, error: Exception | None, ended: list["Connection"]) -> None:
        self._error, self._ended = error, ended

    def shutdown(self) -> None:
        if self._error is not None:
            raise self._error
        self._ended.append(self)


def served(monkeypatch: pytest.MonkeyPatch, *errors: Exception | None) -> list[Connection]:
    """Serve and end beside such connections; gives those that were ended."""
    ended: list[Connection] = []

    def state() -> ServerState:
        made = ServerState()
        made.connections = {Connection(error, ended) for error in errors}  # type: ignore[misc]
        return made

    monkeypatch.setattr("race_harness.network.site.ServerState", state)

    async def serve() -> None:
        stop = asyncio.Event()
        with listening_socket() as listener:
            await UvicornSite().serve(stop.set, stop, listener)

    asyncio.run(serve())
    return ended


def test_the_others_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(served(monkeypatch, None, InvalidState("connection is closing"), None)) == 2


def test_another_error_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError, match="so"):
        served(monkeypatch, RuntimeError("so"))
