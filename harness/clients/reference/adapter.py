"""How the harness uses the reference client."""

from harness import __version__
from harness.clients import Client, OnEvent
from harness.clients.reference.client import ReferenceClient
from harness.clients.reference.crude import BUGS
from harness.clients.reference.faults import FAULTS
from harness.errors import UsageError
from harness.schedule import Schedule
from harness.server import Server
from harness.server.app import FakeServer
from harness.trace import Trace

KINDS: dict[str, type[ReferenceClient]] = {"none": ReferenceClient, **BUGS, **FAULTS}
"""What can be asked for by name: the right client, crude bugs, the zoo's planted faults."""


class ReferenceAdapter:
    """Connects reference clients, right or with one thing wrong.

    Raises:
        UsageError: there is no bug or fault of that name.
    """

    version = __version__
    server_version = "1.58.0"
    source: tuple[str, ...] = ("harness.clients.reference",)

    def __init__(self, bug: str = "none") -> None:
        if bug not in KINDS:
            raise UsageError(f"no bug {bug!r} to plant; there are: {', '.join(KINDS)}")
        self._kind = KINDS[bug]

    @staticmethod
    def named(name: str) -> "ReferenceAdapter":
        """From `reference` or `reference:BUG`."""
        return ReferenceAdapter(name.partition(":")[2] or "none")

    def connect(self, url: str, on_event: OnEvent) -> Client:
        return self._kind(url, on_event)

    def serve(self, schedule: Schedule, trace: Trace) -> Server:
        return FakeServer(self.server_version, schedule, trace)
