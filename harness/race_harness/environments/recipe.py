"""What one environment is made of."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

PLUS_SERVER: Final = "-with-server"
"""Ends the key of an environment that holds the real server, too."""


@dataclass(frozen=True)
class Recipe:
    """A client that is known to exist, and how to install it."""

    key: str
    """Tells this client's environment from every other's; fit for a file name."""
    title: str
    """What progress and errors call it: `openhands-sdk 1.10.0`, `... with its server`."""
    exclude_newer: datetime
    """The moment whose state of the index dependencies are resolved against (aware)."""
    stage: Callable[[Path], list[str]]
    """Puts what the installation reads into an existing, empty directory; returns uv's
    requirements."""
    local: str = ""
    """The local part that the resolved version gets: empty for a release."""
