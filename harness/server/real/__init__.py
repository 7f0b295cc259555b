"""The real server: the published `openhands-agent-server`, with a scripted LLM.

app       the application of one trial: its life, what goes over REST and the socket
hooks     the places in the server's code where a trial listens and lets time pass
observer  what is heard there, told as the fake tells it
agent     what stands in for the LLM, the tools and the stop hooks
dates     the server's clock
home      the directory it lives in
"""

import importlib.metadata

from harness.clients import Adapter, Client, OnEvent, source_of
from harness.errors import ClientUnavailable
from harness.schedule import Schedule
from harness.server import Server
from harness.server.profile import release_of
from harness.trace import Trace

PACKAGE = "openhands-agent-server"
FIRST = (1, 0)
"""Its first release, and what came before it under that number."""


class RealServed:
    """The same client, with the server that is installed beside it.

    Raises:
        ClientUnavailable: there is none, or it is too old.
    """

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
        from harness.server.real import app, dates, home

        home.settle()
        app.application()
        dates.install()
        self.version = adapter.version
        self.source = source_of(adapter)
        self._adapter = adapter

    def connect(self, url: str, on_event: OnEvent) -> Client:
        return self._adapter.connect(url, on_event)

    def serve(self, schedule: Schedule, trace: Trace) -> Server:
        from harness.server.real.app import RealServer

        return RealServer(self.server_version, schedule, trace)
