"""The names of the fault families.

`search.fault_strategies` draws the faults. This module is for commands, which list the families in
their help and import Hypothesis only when they draw.
"""

from collections.abc import Sequence
from typing import Final

from race_harness.model.errors import UsageError

STALLS: Final = "stalls"
"""The family of stalls at lines of the client's source, which only the client can list."""

NAMES: Final = (
    *("latency", "size", "socket", "rest", "caller", "script", "order", "between"),
    *("contents", "process", "others", "interleaving", STALLS),
)
"""Every family."""


def check(families: Sequence[str]) -> None:
    """Raises UsageError if there is no such family; the message lists the known ones."""
    for name in families:
        if name not in NAMES:
            raise UsageError(f"no fault family {name!r}; there are: {', '.join(NAMES)}")
