"""A client with the real server that is installed beside it."""

import importlib.metadata

from race_harness.clients import Adapter
from race_harness.clients.beside_another import ServedByAnother
from race_harness.model.errors import ClientUnavailable
from race_harness.model.schedule import Schedule
from race_harness.model.trace import Trace
from race_harness.server import Server
from race_harness.server.profile import release_of

PACKAGE = "openhands-agent-server"
FIRST = (1, 0)
"""Its first release, with the pre-releases of that number."""


class RealServed(ServedByAnother):
    """The same client, with the server that is installed beside it, which may run git and bash.

    Raises:
        ClientUnavailable: no server is installed, or it is too old.
    """

    child_processes = True

    def __init__(self, adapter: Adapter) -> None:
        try:
            version = importlib.metadata.version(PACKAGE)
        except importlib.metadata.PackageNotFoundError:
            raise ClientUnavailable(
                f"{PACKAGE} is not installed in this client's environment"
            ) from None
        if release_of(version) < FIRST:
            raise ClientUnavailable(
                f"{PACKAGE} {version} is too old: take a release from "
                f"{'.'.join(map(str, FIRST))} on"
            )
        from race_harness.server.real import application, dates, home

        home.settle()
        application.application()
        dates.install()
        super().__init__(adapter, version)

    def serve(self, schedule: Schedule, trace: Trace) -> Server:
        from race_harness.server.real.application import RealServer

        return RealServer(self.server_version, schedule, trace)
