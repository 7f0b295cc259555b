"""A client under test: where its interpreter is and which adapter drives it."""

import importlib.metadata
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness import __version__
from harness.campaign.pool import Workers
from harness.clients import own_clients
from harness.errors import ClientUnavailable

INSTALLED = "installed"
"""The client argument for the `openhands-sdk` of the environment that the harness runs in."""


@dataclass(frozen=True)
class ClientUnderTest:
    argument: str
    """As typed."""
    resolved_version: str
    python: Path
    adapter: str
    """Its name, as `harness.campaign.worker` takes it."""

    @property
    def is_sdk(self) -> bool:
        """Whether what is known of releases of `openhands-sdk` applies to it."""
        return self.adapter == "openhands"

    @property
    def server(self) -> str:
        """What it is run against: `fake`, or `own` for a server that came with the client."""
        return "own" if own_clients.split(self.adapter) else "fake"

    @property
    def anywhere(self) -> str:
        """The argument as it can be given in any directory."""
        return self.adapter if own_clients.split(self.adapter) else self.argument


def find_client(argument: str, progress: Callable[[str], None]) -> ClientUnderTest:
    """Resolve a client argument, building its environment where it needs one.

    A release, `latest`, a PATH or PATH@REVISION, as `harness.environments` takes them; or
    `installed`; or `reference`, `reference:BUG` for the small client that comes with the harness;
    or `FILE.py`, `FILE.py:NAME` for a client of one's own (`harness.clients.own_clients`).

    Raises:
        ClientUnavailable: it cannot be had.
        UsageError: the reference client has no such bug.
        WorldBroken: a client of one's own leaves the simulation in its first trials already.
    """
    here = Path(sys.executable)
    if own := own_clients.split(argument):
        path, name = own
        own_clients.check_file(path)
        adapter = f"{path.resolve()}:{name}"
        return ClientUnderTest(argument, _version_told(here, adapter), here, adapter)
    if argument.partition(":")[0] == "reference":
        _check_reference(argument)
        return ClientUnderTest(argument, __version__, here, argument)
    if argument == INSTALLED:
        try:
            version = importlib.metadata.version("openhands-sdk")
        except importlib.metadata.PackageNotFoundError:
            raise ClientUnavailable(
                "openhands-sdk is not installed in this environment: install it, or name a "
                "client such as 1.58.0"
            ) from None
        return ClientUnderTest(argument, version, here, "openhands")
    # Not needed, and a second slower, where the client is here already.
    from harness.environments import prepare

    environment = prepare(argument, progress=progress)
    return ClientUnderTest(argument, environment.resolved_version, environment.python, "openhands")


def _version_told(python: Path, adapter: str) -> str:
    """By a worker: what is not ours is not imported here."""
    with Workers(python, adapter, 1) as workers:
        workers.wait_ready()
        return workers.version


def _check_reference(argument: str) -> None:
    try:
        from harness.clients.reference import ReferenceAdapter
    except ImportError as error:
        raise ClientUnavailable(f"the reference client needs {error.name}: install it") from None
    ReferenceAdapter.named(argument)
