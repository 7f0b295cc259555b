"""The fault families by name.

`search.strategies` draws the faults. This module is for commands, which name the families in
their help and import Hypothesis only when they draw.
"""

from collections.abc import Sequence
from typing import Final

from race_harness.model.errors import UsageError

STALLS: Final = "stalls"
"""The family of stalls at lines of the client's source, which have to be asked of the client."""

NAMES: Final = (
    *("latency", "size", "socket", "rest", "caller", "script", "order", "between"),
    *("contents", "process", "others", "interleaving", STALLS),
)
"""Every family."""


def check(families: Sequence[str]) -> None:
    """Raises UsageError where there is no such family; the message lists those there are."""
    for name in families:
        if name not in NAMES:
            raise UsageError(f"no fault family {name!r}; there are: {', '.join(NAMES)}")
