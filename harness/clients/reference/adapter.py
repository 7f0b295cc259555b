"""How the harness uses the reference client."""

from harness import __version__
from harness.clients import Client, OnEvent
from harness.clients.reference.client import ReferenceClient


class ReferenceAdapter:
    """Connects reference clients, right or with one planted fault."""

    version = __version__
    server_version = "1.58.0"

    def __init__(self, kind: type[ReferenceClient] = ReferenceClient) -> None:
        self._kind = kind

    def connect(self, url: str, on_event: OnEvent) -> Client:
        return self._kind(url, on_event)
