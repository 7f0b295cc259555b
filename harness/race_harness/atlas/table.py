"""The atlas for people: a strip of one character a release, and in words what came and went."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from race_harness.atlas.cells import LEGEND, Cell, glyph, spans
from race_harness.model.plain_text import code_span, markdown


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
        f"{markdown(caption(cells))}. One character a release: {LEGEND}.",
        "",
        "| scenario | releases | what came and went |",
        "|---|---|---|",
    ]
    for scenario, row in rows(cells).items():
        # Blanks that are not no-break spaces fold in a code span.
        strip = "".join(map(glyph, row)).replace(" ", "\N{NO-BREAK SPACE}")
        lines.append(
            f"| {code_span(scenario)} | `{strip}` | {markdown('; '.join(map(str, spans(row))))} |"
        )
    if notes := skipped(cells):
        lines += ["", "No rate:", ""]
        lines += [f"- {markdown(f'{where}: {reason}')}" for reason, where in notes.items()]
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
    releases = list(dict.fromkeys(cell.release for cell in cells))
    named: dict[tuple[str, str], list[str]] = {}
    for cell in cells:
        if cell.skipped is not None:
            reason = cell.skipped.replace(cell.release, "this release")
            named.setdefault((reason, cell.release), []).append(cell.scenario)
    where: dict[str, dict[str, list[int]]] = {}
    for (reason, release), names in named.items():
        of = "" if len(names) == scenarios else f" ({', '.join(names)})"
        where.setdefault(reason, {}).setdefault(of, []).append(releases.index(release))
    return {
        reason: "; ".join(
            ", ".join(_ranges(sorted(places), releases)) + of for of, places in found.items()
        )
        for reason, found in where.items()
    }


def _ranges(places: Sequence[int], releases: Sequence[str]) -> Iterator[str]:
    """Neighbours as `1.0.0 to 1.6.0`."""
    for _, group in groupby(enumerate(places), key=lambda item: item[1] - item[0]):
        of = [releases[place] for _, place in group]
        yield of[0] if len(of) == 1 else f"{of[0]} to {of[-1]}"


def caption(cells: Sequence[Cell]) -> str:
    releases = list(dict.fromkeys(cell.release for cell in cells))
    reps = {cell.reps for cell in cells if cell.reps} or {0}
    many = str(max(reps)) if len(reps) == 1 else f"{min(reps)} to {max(reps)}"
    ends = releases[0] if len(releases) == 1 else f"{releases[0]} to {releases[-1]}"
    return (
        f"{len(rows(cells))} scenarios on {len(releases)} releases, {ends}, "
        f"{many} repetitions each"
    )


def _notes(cells: Sequence[Cell]) -> list[Text]:
    return [
        Text(f"no rate: {where}: {reason}", style="dim")
        for reason, where in skipped(cells).items()
    ]
