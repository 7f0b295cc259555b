"""A client with the real server that is installed beside it."""

import importlib.metadata
from typing import Any

from race_harness.clients import Adapter, Client, OnEvent, attached, dialect_of, source_of
from race_harness.model.errors import ClientUnavailable
from race_harness.model.schedule import Schedule
from race_harness.model.trace import Trace
from race_harness.server import Server
from race_harness.server.profile import release_of

PACKAGE = "openhands-agent-server"
FIRST = (1, 0)
"""Its first release, and what came before it under that number."""


class RealServed:
    """The same client, with the server that is installed beside it, which may run git and bash.

    Raises:
        ClientUnavailable: there is none, or it is too old.
    """

    child_processes = True

    def __init__(self, adapter: Adapter) -> None:
        try:
            self.server_version = importlib.metadata.version(PACKAGE)
        except importlib.metadata.PackageNotFoundError:
            raise ClientUnavailable(
                f"{PACKAGE} is not installed in this client's environment"
            ) from None
        if release_of(self.server_version) < FIRST:
            raise ClientUnavailable(
                f"{PACKAGE} {self.server_version} is too old: take a release from "
                f"{'.'.join(map(str, FIRST))} on"
            )
        from race_harness.server.real import application, dates, home

        home.settle()
        application.application()
        dates.install()
        self.version = adapter.version
        self.source = source_of(adapter)
        self.dialect = dialect_of(adapter)
        self._adapter = adapter

    def connect(self, url: str, on_event: OnEvent, **options: Any) -> Client:
        return self._adapter.connect(url, on_event, **options)

    def attach(self, url: str, conversation: str, on_event: OnEvent) -> Client:
        return attached(self._adapter, url, conversation, on_event)

    def serve(self, schedule: Schedule, trace: Trace) -> Server:
        from race_harness.server.real.application import RealServer

        return RealServer(self.server_version, schedule, trace)
