"""The results of the user's own tests, as a table for a terminal."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from race_harness.campaign.comparison import Comparison
from race_harness.model.grade import GRADES
from race_harness.statistics import phrases
from race_harness.statistics.intervals import Spread
from race_harness.statistics.phrases import number

HEADERS = (
    *("test", "reps", "pass rate\n[95 % interval]", "verdicts", "failures\nby grade"),
    *("virtual\ns, p50\n/ p95", "wall ms\nmean\n/ p95", "trials\n/s"),
)


_WIDE: Final = 90
"""Columns that a terminal needs for a table with the names of tests."""
_SHORT: Final = 24
"""Characters of a name, or of verdicts, that fit into a narrower one."""


def cells_of(comparison: Comparison) -> list[str]:
    """The words of a row, which HEADERS name."""
    (client,) = comparison.clients
    grades = client.grades or {}
    return [
        comparison.scenario,
        str(client.reps),
        f"{phrases.rate(client.passed, client.reps - client.void)}\n"
        f"{phrases.interval(*client.ci95)}",
        ", ".join(phrases.counts(client.verdicts, client.void)),
        ", ".join(f"{grade} {grades[grade]}" for grade in GRADES if grades.get(grade)) or "none",
        _two(client.virtual_s, "p50"),
        _two(client.wall_ms, "mean"),
        number(client.trials_per_s),
    ]


def _two(spread: Spread | None, first: str) -> str:
    """The text on two lines: beside the name of a test there is no room for more."""
    if spread is None:
        return "–"
    return f"{number(getattr(spread, first))} /\n{number(spread.p95)}"


def tables_of(comparisons: list[Comparison], width: int) -> Iterator[RenderableType]:
    """One table; on a narrow terminal each test's name has its own line, to be copied."""
    rows = [cells_of(comparison) for comparison in comparisons]
    if width >= _WIDE or all(len(name) <= _SHORT for name, *_ in rows):
        table = _table(HEADERS)
        for comparison, row in zip(comparisons, rows, strict=True):
            table.add_row(*_styled(comparison, row))
        yield table
        return
    widths = [
        max(map(len, "\n".join(cells).split("\n"))) for cells in zip(HEADERS, *rows, strict=True)
    ]
    for position, (comparison, row) in enumerate(zip(comparisons, rows, strict=True)):
        table = _table(HEADERS[1:], [min(one, _SHORT) for one in widths[1:]])
        table.show_header = position == 0
        table.add_row(*_styled(comparison, row)[1:])
        name = Text(row[0], no_wrap=True, overflow="ignore")
        # The headings come first, and once.
        yield from (name, table)


def _table(headers: Sequence[str], widths: Sequence[int] | None = None) -> Table:
    table = Table(
        box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold"
    )
    for position, header in enumerate(headers):
        words = header in ("test", "verdicts", "failures\nby grade")
        table.add_column(
            header,
            justify="left" if words else "right",
            overflow="fold",
            no_wrap=not words,
            min_width=None if widths is None else widths[position],
        )
    return table


def _styled(comparison: Comparison, row: list[str]) -> list[Text]:
    (client,) = comparison.clients
    passed = client.passed == client.reps - client.void
    cells = [Text(cell) for cell in row]
    cells[2].stylize("yellow" if client.pass_rate is None else "green" if passed else "red")
    return cells
