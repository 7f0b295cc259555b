"""Where things stand on the drawn timeline: time to height, and a place for every label.

Time goes down at one scale, ten pixels a millisecond, so that distances can be compared by eye.
Where nothing happens for long the axis is broken, and the break says how much it leaves out.
Labels need more room than moments: in a burst they move down, each tied to its moment by a line,
and the next break is high enough for them to catch up.
"""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from race_harness.story.row import Column, Row, Tone

TOP: Final = 70.0
LINE: Final = 15.0
"""Height of one line of a label."""

_PX_PER_MS: Final = 10.0
_BREAK: Final = 44.0
_LABEL_GAP: Final = 4.0
LABEL_CHARACTERS: Final = 38
"""Characters in a line of a label, by default."""


@dataclass(frozen=True)
class Break:
    """A stretch of the axis that is shorter than its time."""

    top: float
    bottom: float
    lasts_ms: float


@dataclass(frozen=True)
class PlacedLabel:
    row: Row
    moment: float
    """The height of its time."""
    top: float
    """The height of its first line, never above its moment."""
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    heights: dict[float, float]
    """The height of every time that the caller asked for."""
    breaks: tuple[Break, ...]
    labels: tuple[PlacedLabel, ...]
    bottom: float


def layout(
    rows: Sequence[Row], times: Iterable[float], characters: int = LABEL_CHARACTERS
) -> Layout:
    """Place the rows; `times` are further times whose height is needed; `characters` fit into a
    line of a label."""
    at: dict[float, list[Row]] = {row.at_ms: [] for row in rows}
    for row in rows:
        at[row.at_ms].append(row)
    moments = sorted({*at, *times})
    heights: dict[float, float] = {}
    breaks: list[Break] = []
    labels: list[PlacedLabel] = []
    free: dict[Column, float] = {}
    """The height below the last label of each column."""
    height = TOP
    for before, moment in zip([*moments[:1], *moments], moments, strict=False):
        lasts_ms = moment - before
        if lasts_ms * _PX_PER_MS > _BREAK:
            top, height = height, max([height + _BREAK, *free.values()])
            breaks.append(Break(top, height, lasts_ms))
        else:
            height += lasts_ms * _PX_PER_MS
        heights[moment] = height
        for row in at.get(moment, ()):
            lines = tuple(textwrap.wrap(row.text, characters)) or ("",)
            # The end of run() is a line across all lanes: its label stands below.
            top = max(height + LINE * (row.tone is Tone.ENDED), free.get(row.column, 0.0))
            free[row.column] = top + len(lines) * LINE + _LABEL_GAP
            labels.append(PlacedLabel(row, height, top, lines))
    return Layout(heights, tuple(breaks), tuple(labels), max([height, *free.values()]))
