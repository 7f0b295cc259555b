"""The fault families by name, and scenarios with faults of some of them added.

`harness.strategies` draws the faults. This module is for commands, which name the families in
their help and import Hypothesis only when they draw.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final

from harness.errors import UsageError
from harness.scenario import Scenario
from harness.schedule import Schedule

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

STALLS: Final = "stalls"
"""The family of stalls at lines of the client's source, which have to be asked of the client."""

NAMES: Final = ("latency", "socket", "rest", "caller", "script", "order", "interleaving", STALLS)
"""Every family."""


def check(families: Sequence[str]) -> None:
    """Raises UsageError where there is no such family; the message lists those there are."""
    for name in families:
        if name not in NAMES:
            raise UsageError(f"no fault family {name!r}; there are: {', '.join(NAMES)}")


def add_faults(
    chosen: Sequence[Scenario],
    families: Sequence[str],
    lines: Sequence[tuple[str, str]] = (),
) -> list[Scenario]:
    """The scenarios with faults of these families; without any, a benign one with them.

    `lines` are those of the client's source, function and text, for the family `stalls`.

    Raises:
        UsageError: there is no such family.
    """
    check(families)
    name = "+".join(families)
    benign = Scenario(name, "faults alone", partial(_benign, name))
    return [
        replace(one, schedules=partial(_with_faults, one, families, lines))
        for one in chosen or [benign]
    ]


def _benign(name: str) -> "SearchStrategy[Schedule]":
    from hypothesis import strategies as st

    return st.just(Schedule(name))


def _with_faults(
    scenario: Scenario, families: Sequence[str], lines: Sequence[tuple[str, str]]
) -> "SearchStrategy[Schedule]":
    from harness.strategies import with_faults

    return with_faults(scenario.schedules(), families, lines)
