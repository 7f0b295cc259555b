"""A comparison for people: on a terminal, and as Markdown for a pull request.

Both say the same words in the same order, so that a pasted table can be checked against a
terminal at a glance. Colour only repeats what the numbers say.
"""

import textwrap
from collections.abc import Mapping
from typing import Final

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from race_harness.campaign.comparison import ClientSummary, Comparison, Pair
from race_harness.cli.client_names import ClientName
from race_harness.model.plain_text import code_span, markdown
from race_harness.model.verdict import MEANINGS
from race_harness.statistics import phrases
from race_harness.statistics.intervals import Spread
from race_harness.statistics.phrases import number
from race_harness.story.shortening import shortened_apart

_UNKNOWN: Final = "–"

_CLIENT_WIDTH: Final = 30

_VERDICTS_WIDTH: Final = 19
"""Enough for "late 1000, early 87"; a longer count makes its line, and the column, wider."""


def comparison_table(comparison: Comparison) -> RenderableType:
    """The comparison for a terminal of 100 columns or more.

    On a narrower one, columns of words wrap and columns of numbers stay whole, down to 80.
    """
    table = Table(
        box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold"
    )
    table.add_column("client", max_width=_CLIENT_WIDTH)
    table.add_column("reps", justify="right", no_wrap=True)
    table.add_column("pass rate\n[95 % interval]", no_wrap=True)
    table.add_column("verdicts", overflow="fold")
    what = "test" if comparison.is_test else "run()"
    table.add_column(f"{what}\n{_clock(comparison)} s\np50 / p95", justify="right", no_wrap=True)
    table.add_column("wall ms\nper trial\nmean / p95", justify="right", no_wrap=True)
    table.add_column("trials\n/s", justify="right", no_wrap=True)
    for client in comparison.clients:
        table.add_row(
            ClientName(client.client, client.resolved_version),
            Text(str(client.reps)),
            Text(f"{_rate(client)}\n{_interval(client)}", style=_rate_style(client)),
            _verdict_cell(client),
            Text(_two(client.virtual_s, "p50")),
            Text(_two(client.wall_ms, "mean")),
            Text(number(client.trials_per_s)),
        )
    short = shortened_apart({client.client for client in comparison.clients}, _CLIENT_WIDTH)
    return Group(
        Text(_caption(comparison), style="bold"),
        Text(),
        table,
        Text(),
        *(Text(_paired(pair, short)) for pair in comparison.pairs),
        *(Text(line) for line in _undone(comparison, short)),
    )


def comparison_markdown(comparison: Comparison) -> str:
    """The comparison as GitHub-flavoured Markdown, with the verdicts' meanings."""
    what = "test" if comparison.is_test else "run()"
    lines = [
        f"**{markdown(_caption(comparison))}**",
        "",
        "| client | reps | pass rate [95 %] | verdicts | "
        f"{what} {_clock(comparison)} s, p50 / p95 "
        "| wall ms, mean / p95 | trials/s |",
        "|---|--:|---|---|--:|--:|--:|",
    ]
    for client in comparison.clients:
        cells = (
            code_span(_name(client)),
            str(client.reps),
            f"{_rate(client)} {_interval(client)}",
            markdown(", ".join(_counts(client))),
            _two(client.virtual_s, "p50"),
            _two(client.wall_ms, "mean"),
            number(client.trials_per_s),
        )
        lines.append("| " + " | ".join(cells) + " |")
    if comparison.pairs:
        lines += ["", *(f"- {markdown(_paired(pair, {}))}" for pair in comparison.pairs)]
    if undone := _undone(comparison, {}):
        lines += ["", *(f"- {markdown(line)}" for line in undone)]
    seen = {verdict for client in comparison.clients for verdict in client.verdicts}
    # `ok` means "none of these", which makes sense only beneath the full list.
    legend = [verdict for verdict in MEANINGS if verdict in seen and verdict != "ok"]
    if legend:
        lines += [
            "",
            "Verdicts:",
            "",
            *(f"- **{verdict}**: {MEANINGS[verdict]}" for verdict in legend),
        ]
    return "\n".join(lines) + "\n"


def _caption(comparison: Comparison) -> str:
    reps = sorted({client.reps for client in comparison.clients})
    many = f"{reps[0]}" if len(reps) == 1 else f"{reps[0]} to {reps[-1]}" if reps else "no"
    return (
        f"{comparison.scenario}, seed {comparison.seed}, {comparison.world} world, "
        f"{comparison.server} server, {many} repetitions per client"
    )


def _clock(comparison: Comparison) -> str:
    """The kind of seconds in which `run()` is measured."""
    return "wall" if comparison.world == "real" else "virtual"


def _name(client: ClientSummary) -> str:
    if client.client == client.resolved_version:
        return client.client
    return f"{client.client} ({client.resolved_version})"


def _rate(client: ClientSummary) -> str:
    return phrases.rate(client.passed, client.reps - client.void)


def _interval(client: ClientSummary) -> str:
    return phrases.interval(*client.ci95)


def _rate_style(client: ClientSummary) -> str:
    if client.pass_rate is None:
        return "yellow"
    return "green" if client.passed == client.reps - client.void else "red"


def _counts(client: ClientSummary) -> list[str]:
    return phrases.counts(client.verdicts, client.void)


def _verdict_cell(client: ClientSummary) -> Text:
    # Wrapped here, so that no line ends between a verdict and its count: `textwrap` keeps to
    # non-breaking spaces, rich does not.
    counts = ", ".join(_counts(client)).replace(" ", "\xa0").replace(",\xa0", ", ")
    lines = textwrap.wrap(counts, _VERDICTS_WIDTH, break_on_hyphens=False, break_long_words=False)
    cell = Text("\n".join(lines).replace("\xa0", " "))
    cell.highlight_regex(r"\bok \d+", "green")
    cell.highlight_regex(r"\bvoid \d+", "yellow")
    return cell


def _two(spread: Spread | None, first: str) -> str:
    if spread is None:
        return _UNKNOWN
    return f"{number(getattr(spread, first))} / {number(spread.p95)}"


def _undone(comparison: Comparison, short: Mapping[str, str]) -> list[str]:
    """`short`: what long names are called."""
    return [
        f"{short.get(client.client, client.client)}: in {client.undone} "
        f"trial{'s' * (client.undone != 1)} a run or an act that was asked for did not happen"
        for client in comparison.clients
        if client.undone
    ]


def _paired(pair: Pair, short: Mapping[str, str]) -> str:
    """`short`: what long names are called."""
    a, b = short.get(pair.a, pair.a), short.get(pair.b, pair.b)
    return (
        f"{a} vs {b}: failed only in {a} {pair.only_a}, "
        f"only in {b} {pair.only_b}, both {pair.both}; "
        f"McNemar exact {phrases.p_value(pair.p_value)}"
    )
