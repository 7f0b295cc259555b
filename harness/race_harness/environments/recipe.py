"""What one environment is made of."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

PLUS_SERVER: Final = "-with-server"
"""Ends the key of an environment that holds the real server, too."""


TEST_RUNNER: Final = "pytest"
"""Its version is that of the client's date, since plugins of that time may not fit a newer one."""


@dataclass(frozen=True)
class Recipe:
    """A client that is known to exist, and how to install it."""

    key: str
    """Distinguishes this client's environment from every other; fit for a file name."""
    title: str
    """What progress and errors call it: `openhands-sdk 1.10.0`, `... with its server`."""
    exclude_newer: datetime
    """The moment at which the index is seen when dependencies are resolved (aware)."""
    stage: Callable[[Path], list[str]]
    """Puts what the installation reads into an existing, empty directory; returns uv's
    requirements."""
    local: str = ""
    """The local part that the resolved version gets: empty for a release."""

    def for_tests(self, requirements: Sequence[str], beside: Sequence[str] = ()) -> "Recipe":
        """The same with what tests need as well: a runner, and these; `beside` are packages that
        come with the client, and so follow from its key."""
        more = [*beside, TEST_RUNNER, *requirements]
        return replace(
            self,
            key=key_for_tests(self.key.removesuffix(PLUS_SERVER), requirements),
            title=f"{self.title} and what tests need",
            stage=lambda directory: [*self.stage(directory), *more],
        )


def key_for_tests(client: str, requirements: Sequence[str]) -> str:
    """The key of the environment for tests with the client that has the key `client`."""
    named = "\n".join([TEST_RUNNER, *sorted(requirements)])
    return f"{client}-with-tests-{hashlib.sha256(named.encode()).hexdigest()[:8]}"
