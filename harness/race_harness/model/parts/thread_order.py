"""Which thread goes on."""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, Field

from race_harness.model.parts.field_types import STRICT, Milliseconds, Nth


@dataclass(frozen=True)
class LineStall:
    """Holds up the thread that reaches a line of the client's source for a while.

    The line is named by its function's qualified name and its text, so that it is the same on
    every release that has it; on other releases nothing happens.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    function: Annotated[str, Field(min_length=1, max_length=200)]
    line: Annotated[str, Field(min_length=1, max_length=400)]
    nth: Nth = 1
    for_ms: Milliseconds = 0.0


@dataclass(frozen=True)
class Interleaving:
    """Which thread goes on when several could."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """None: a thread runs until it blocks. A number: `strategy` switches threads at scheduling
    points, and this is its seed."""
    strategy: Literal["random-walk", "pct", "pos"] = "random-walk"
    depth: Annotated[int, Field(ge=1, le=20)] = 3
    """For `pct` only: how many ordering constraints the race needs."""
    at_lines: bool = False
    """Whether every line of the client's source is a scheduling point too."""
    stalls: tuple[LineStall, ...] = ()
    step_us: Annotated[float, Field(ge=0, le=1_000)] = 0.0
    """Virtual microseconds that each scheduling point, and each reading of a clock, takes: work
    takes time on any machine, and whatever is due by then comes first. In your own test at least
    1."""
