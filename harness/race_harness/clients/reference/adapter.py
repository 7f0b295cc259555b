"""How the harness uses the reference client."""

from typing import Any

from race_harness.clients import Client, OnEvent
from race_harness.clients.reference.client import ReferenceClient
from race_harness.clients.reference.crude import BUGS
from race_harness.clients.reference.zoo import FAULTS
from race_harness.model.errors import UsageError
from race_harness.model.schedule import Schedule
from race_harness.model.trace import Trace
from race_harness.model.version import __version__
from race_harness.network.dialect import Dialect
from race_harness.server import Server
from race_harness.server.fake.app import FakeServer
from race_harness.server.wire import AgentServerDialect

KINDS: dict[str, type[ReferenceClient]] = {"none": ReferenceClient, **BUGS, **FAULTS}
"""All clients by name: the correct one, crude bugs, and the zoo's planted faults."""


class ReferenceAdapter:
    """Connects reference clients, correct or with one fault.

    Raises:
        UsageError: there is no bug or fault of that name.
    """

    version = __version__
    server_version = "1.58.0"
    source: tuple[str, ...] = ("race_harness.clients.reference",)
    dialect: Dialect = AgentServerDialect()

    def __init__(self, bug: str = "none") -> None:
        if bug not in KINDS:
            raise UsageError(f"no bug {bug!r} to plant; there are: {', '.join(KINDS)}")
        self._kind = KINDS[bug]

    @staticmethod
    def named(name: str) -> "ReferenceAdapter":
        """Return the adapter for `reference` or `reference:BUG`."""
        return ReferenceAdapter(name.partition(":")[2] or "none")

    def connect(self, url: str, on_event: OnEvent, **options: Any) -> Client:
        return self._kind(url, on_event, **options)

    def attach(self, url: str, conversation: str, on_event: OnEvent) -> Client:
        return self._kind(url, on_event, conversation=conversation)

    def serve(self, schedule: Schedule, trace: Trace) -> Server:
        return FakeServer(self.server_version, schedule, trace)
