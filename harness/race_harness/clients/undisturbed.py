"""Lets the harness look at a client without counting the client's lines that this runs."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from race_harness.clients import (
    Adapter,
    Client,
    OnEvent,
    attached,
    dialect_of,
    may_start_processes,
    source_of,
)


class UndisturbedAdapter:
    """The same adapter, with `count()` and `visible()` of its clients called within `look()`."""

    def __init__(self, adapter: Adapter, look: Callable[[], AbstractContextManager[None]]) -> None:
        self.version = adapter.version
        self.source = source_of(adapter)
        self.dialect = dialect_of(adapter)
        self.child_processes = may_start_processes(adapter)
        self.serve = adapter.serve
        self._adapter = adapter
        self._look = look

    def connect(self, url: str, on_event: OnEvent, **options: Any) -> Client:
        return UndisturbedClient(self._adapter.connect(url, on_event, **options), self._look)

    def attach(self, url: str, conversation: str, on_event: OnEvent) -> Client:
        return attached(self._adapter, url, conversation, on_event)


class UndisturbedClient:
    def __init__(self, client: Client, look: Callable[[], AbstractContextManager[None]]) -> None:
        self._client = client
        self._look = look
        self.send_message = client.send_message
        self.run = client.run
        self.pause = client.pause
        self.interrupt = client.interrupt
        self.close = client.close
        state = getattr(client, "state", None)
        if state is not None:
            self.state = state

    def count(self) -> int:
        with self._look():
            return self._client.count()

    def visible(self) -> list[str]:
        with self._look():
            return self._client.visible()
