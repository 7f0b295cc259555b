"""A client with the server of another release, as when only one of the two has been updated."""

import socket
from typing import Any

from race_harness.clients import Adapter, Client, OnEvent, attached, dialect_of, source_of
from race_harness.model.errors import WorldBroken
from race_harness.model.schedule import Schedule
from race_harness.model.trace import Trace
from race_harness.server import Server
from race_harness.server.fake.app import FakeServer


class ServedByAnother:
    """The same client, with the fake server of that release."""

    def __init__(self, adapter: Adapter, release: str) -> None:
        self.version, self.server_version = adapter.version, release
        self.source = source_of(adapter)
        self.dialect = dialect_of(adapter)
        self._adapter = adapter

    def connect(self, url: str, on_event: OnEvent, **options: Any) -> Client:
        return self._adapter.connect(url, on_event, **options)

    def attach(self, url: str, conversation: str, on_event: OnEvent) -> Client:
        return attached(self._adapter, url, conversation, on_event)

    def serve(self, schedule: Schedule, trace: Trace) -> Server:
        return FakeServer(self.server_version, schedule, trace)


class ServedElsewhere(ServedByAnother):
    """The same client, with a server that runs in processes of another interpreter. `host` is the
    socket on which a trial asks for one."""

    def __init__(self, adapter: Adapter, release: str, host: socket.socket) -> None:
        super().__init__(adapter, release)
        self.host = host

    def serve(self, schedule: Schedule, trace: Trace) -> Server:
        """Raises WorldBroken: the server is in another process, not in this one."""
        raise WorldBroken(f"the server of {self.server_version} is in a process of its own")
