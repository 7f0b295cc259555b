"""The atlas for people: a strip of one character a release, and in words what came and went."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from harness.atlas.cells import LEGEND, Cell, glyph, spans


def atlas_table(cells: Sequence[Cell], width: int) -> RenderableType:
    """For a terminal of so many columns; a strip that is too long for it wraps."""
    table = Table(box=None, padding=(0, 2, 1, 0), header_style="bold", show_edge=False)
    table.add_column("scenario", no_wrap=True)
    table.add_column("what came and went", overflow="fold")
    for scenario, row in rows(cells).items():
        strip = "".join(map(glyph, row))
        table.add_row(
            Text(scenario),
            Group(
                *(Text(strip[at : at + width - 30]) for at in range(0, len(strip), width - 30)),
                Text("; ".join(map(str, spans(row)))),
            ),
        )
    return Group(Text(caption(cells), style="bold"), Text(LEGEND), Text(), table, *_notes(cells))


def atlas_markdown(cells: Sequence[Cell]) -> str:
    """The same as GitHub-flavoured Markdown."""
    lines = [
        f"{caption(cells)}. One character a release: {LEGEND}.",
        "",
        "| scenario | releases | what came and went |",
        "|---|---|---|",
    ]
    for scenario, row in rows(cells).items():
        # Blanks that are not no-break spaces fold in a code span.
        strip = "".join(map(glyph, row)).replace(" ", "\N{NO-BREAK SPACE}")
        lines.append(f"| `{scenario}` | `{strip}` | {'; '.join(map(str, spans(row)))} |")
    if notes := skipped(cells):
        lines += ["", "No rate:", ""]
        lines += [f"- {where}: {reason}" for reason, where in notes.items()]
    return "\n".join(lines) + "\n"


def rows(cells: Sequence[Cell]) -> dict[str, list[Cell]]:
    """The cells of each scenario, in the order of the releases."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell.scenario, []).append(cell)
    return found


def skipped(cells: Sequence[Cell]) -> dict[str, str]:
    """Each reason for having no rate, and the cells that it holds for, in words."""
    scenarios = len(rows(cells))
    by_reason: dict[str, dict[str, list[str]]] = {}
    for cell in cells:
        if cell.skipped is not None:
            by_reason.setdefault(cell.skipped, {}).setdefault(cell.release, []).append(
                cell.scenario
            )
    return {
        reason: "; ".join(
            release if len(names) == scenarios else f"{release} ({', '.join(names)})"
            for release, names in where.items()
        )
        for reason, where in by_reason.items()
    }


def caption(cells: Sequence[Cell]) -> str:
    releases = list(dict.fromkeys(cell.release for cell in cells))
    reps = max((cell.reps for cell in cells), default=0)
    ends = releases[0] if len(releases) == 1 else f"{releases[0]} to {releases[-1]}"
    return (
        f"{len(rows(cells))} scenarios on {len(releases)} releases, {ends}, "
        f"{reps} repetitions each"
    )


def _notes(cells: Sequence[Cell]) -> list[Text]:
    return [
        Text(f"no rate: {where}: {reason}", style="dim")
        for reason, where in skipped(cells).items()
    ]
