"""What a reader of a comparison must find, on a terminal and in Markdown."""

import io
import re
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from race_harness.campaign.comparison import ClientSummary, Comparison, Pair
from race_harness.cli.tables import comparison_markdown, comparison_table
from race_harness.model.verdict import MEANINGS
from race_harness.statistics.intervals import Spread, wilson


def summary(client: str, version: str, passed: int, reps: int, **verdicts: int) -> ClientSummary:
    return ClientSummary(
        client=client,
        resolved_version=version,
        reps=reps,
        passed=passed,
        pass_rate=passed / reps,
        ci95=wilson(passed, reps),
        verdicts={name.replace("_", "-"): count for name, count in verdicts.items()},
        void=0,
        undone=0,
        wall_ms=Spread(12.34, 11.0, 18.76, 30.0),
        virtual_s=Spread(1.5, 1.044, 3.021, 5.0),
        trials_per_s=81.26,
        campaign_digest="d" * 32,
        first_failure=None,
    )


@pytest.fixture
def comparison() -> Comparison:
    return Comparison(
        scenario="delayed-callback",
        seed=7,
        clients=(
            summary("1.10.0", "1.10.0", 0, 1000, early=230, late=912),
            summary("main", "1.58.0", 1000, 1000, ok=1000),
        ),
        pairs=(
            Pair("1.10.0", "main", 500, 0, 0, 6.1e-151),
            Pair("main", "1.11.1", 1, 6, 2, 0.125),
        ),
    )


def shown(comparison: Comparison, width: int = 100) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(comparison_table(comparison))
    return out.getvalue()


def cells(comparison: Comparison, n: int) -> list[str]:
    """The cells of the nth client's row in the Markdown table."""
    rows = [
        line for line in comparison_markdown(comparison).splitlines() if line.startswith("| `")
    ]
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", rows[n])[1:-1]]


def one(comparison: Comparison, client: ClientSummary) -> Comparison:
    return replace(comparison, clients=(client,), pairs=())


PAIRED = (
    "1.10.0 vs main: failed only in 1.10.0 500, only in main 0, both 0; McNemar exact p < 1e-12"
)


def test_the_table_tells_each_client_on_its_row(comparison: Comparison) -> None:
    lines = shown(comparison).splitlines()
    (row,) = [n for n, line in enumerate(lines) if line.startswith("1.10.0  ")]
    for words in ("1000", "0 / 1000 = 0.0 %", "early 230, late 912", "1.04 / 3.02"):
        assert words in lines[row]
    assert "12.3 / 18.8" in lines[row]
    assert "81.3" in lines[row]
    assert "[0.0, 0.4]" in lines[row + 1]


def test_a_resolved_version_is_told_where_it_says_more(comparison: Comparison) -> None:
    lines = shown(comparison).splitlines()
    (row,) = [n for n, line in enumerate(lines) if line.startswith("main  ")]
    assert lines[row + 1].startswith("(1.58.0)")
    assert "(1.10.0)" not in shown(comparison)


def test_the_table_ends_with_the_paired_lines(comparison: Comparison) -> None:
    assert shown(comparison).splitlines()[-2:] == [
        PAIRED,
        "main vs 1.11.1: failed only in main 1, only in 1.11.1 6, both 2; McNemar exact p = 0.125",
    ]


def test_the_paired_lines_break_no_path(comparison: Comparison) -> None:
    right, wrong = (f"/home/me/src/{'deep/' * 20}own_client.py:{name}" for name in "AB")
    first, *_ = comparison.clients
    clients = (replace(first, client=right), replace(first, client=wrong))
    paired = replace(comparison, clients=clients, pairs=(Pair(right, wrong, 3, 4, 5, 0.5),))
    text = " ".join(shown(paired, 80).split())
    short = "/home/me/src/…/own_client.py"
    assert f"{short}:A vs {short}:B: failed only in {short}:A 3, only in {short}:B 4" in text
    assert f"{right} vs {wrong}" in comparison_markdown(paired)


def test_the_table_fits_100_columns_and_breaks_no_number(comparison: Comparison) -> None:
    crowded = replace(
        comparison,
        clients=(
            replace(
                summary("/work/clients/my-checkout", "1.58.0", 0, 1000),
                verdicts={"missed-callback": 1000, "duplicate-callback": 1000, "hang": 1},
                virtual_s=Spread(600, 600, 600, 600),
                void=10,
                undone=0,
            ),
        ),
    )
    text = shown(crowded)
    assert max(cell_len(line) for line in text.splitlines()) <= 100
    for words in ("0 / 990 = 0.0 %", "600 / 600", "missed-callback", "void 10", "81.3"):
        assert words in text
    # A path may lose parts in its middle; nothing else is cut.
    assert "/…/clients/my-checkout" in text
    assert text.count("…") == 1


@pytest.mark.parametrize("width", [80, 100])
def test_numbers_stay_whole_down_to_80_columns(comparison: Comparison, width: int) -> None:
    text = shown(comparison, width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    for words in ("0 / 1000 = 0.0 %", "1.04 / 3.02", "12.3 / 18.8", "81.3"):
        assert words in text


def test_the_colour_of_a_rate_says_whether_all_passed(comparison: Comparison) -> None:
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system="standard")
    console.print(comparison_table(comparison))
    assert re.search(r"\x1b\[31m0 / 1000 = 0.0 %", out.getvalue())
    assert re.search(r"\x1b\[32m1000 / 1000 = 100.0 %", out.getvalue())


def test_markup_in_a_name_is_only_text(comparison: Comparison) -> None:
    named = one(comparison, summary("[red]x", "[red]x", 1, 1, ok=1))
    assert "[red]x" in shown(named)


@pytest.mark.parametrize(
    ("passed", "reps", "says"),
    [
        (0, 10_000, "0 / 10000 = 0.0 % [0.0, 0.1]"),
        (1, 10_000, "1 / 10000 < 0.1 % [0.0, 0.1]"),
        (9_999, 10_000, "9999 / 10000 > 99.9 % [99.9, 100.0]"),
        (10_000, 10_000, "10000 / 10000 = 100.0 % [99.9, 100.0]"),
        (29, 40, "29 / 40 = 72.5 % [57.1, 83.9]"),
    ],
)
def test_a_rate_is_not_rounded_to_all_or_nothing(
    comparison: Comparison, passed: int, reps: int, says: str
) -> None:
    rated = one(comparison, summary("1.10.0", "1.10.0", passed, reps))
    assert cells(rated, 0)[2] == says


def test_void_trials_are_counted_apart(comparison: Comparison) -> None:
    client = replace(summary("1.10.0", "1.10.0", 4, 4, ok=4), reps=5, void=1)
    assert cells(one(comparison, client), 0)[1:4] == [
        "5",
        "4 / 4 = 100.0 % [51.0, 100.0]",
        "ok 4, void 1",
    ]
    assert "void" not in shown(comparison)


def test_a_client_without_verdicts_has_no_rate(comparison: Comparison) -> None:
    client = replace(
        summary("1.10.0", "1.10.0", 0, 1), pass_rate=None, ci95=(0.0, 1.0), void=1, virtual_s=None
    )
    assert cells(one(comparison, client), 0)[2:5] == ["no verdict [0.0, 100.0]", "void 1", "–"]
    assert "no verdict" in shown(one(comparison, client))


def test_markdown_is_a_captioned_table_with_pairs_and_legend(comparison: Comparison) -> None:
    lines = comparison_markdown(comparison).splitlines()
    assert lines[0] == (
        "**delayed-callback, seed 7, sim world, fake server, 1000 repetitions per client**"
    )
    # GitHub needs a blank line before a table, and as many dashes as headings.
    assert lines[1] == ""
    assert lines[2].count("|") == lines[3].count("|") == lines[4].count("|") == 8
    assert re.fullmatch(r"(\|-{2,}:?)+\|", lines[3])
    assert cells(comparison, 0) == [
        "`1.10.0`",
        "1000",
        "0 / 1000 = 0.0 % [0.0, 0.4]",
        "early 230, late 912",
        "1.04 / 3.02",
        "12.3 / 18.8",
        "81.3",
    ]
    assert cells(comparison, 1)[0] == "`main (1.58.0)`"
    assert f"- {PAIRED}" in lines
    # Without a paragraph between them, GitHub would make one list of the two.
    assert lines.index("Verdicts:") > lines.index(f"- {PAIRED}")
    assert lines[lines.index("Verdicts:") + 2 :] == [
        f"- **early**: {MEANINGS['early']}",
        f"- **late**: {MEANINGS['late']}",
    ]


def test_pipes_in_a_name_do_not_break_the_markdown_table(comparison: Comparison) -> None:
    piped = one(comparison, summary("a|b`c", "a|b`c", 1, 1, ok=1))
    (row,) = [line for line in comparison_markdown(piped).splitlines() if "a&#124;b" in line]
    assert row.startswith("| <code>a&#124;b\\`c</code> | ")
    assert row.count("|") == 8


@pytest.mark.parametrize(
    ("p_value", "says"),
    [(1.0, "p = 1.000"), (0.03125, "p = 0.031"), (1.2e-5, "p = 1.2e-05"), (9e-13, "p < 1e-12")],
)
def test_p_values_are_told_as_far_as_they_matter(
    comparison: Comparison, p_value: float, says: str
) -> None:
    paired = replace(comparison, pairs=(Pair("a", "b", 1, 2, 3, p_value),))
    assert comparison_markdown(paired).count(f"McNemar exact {says}\n") == 1


def test_unequal_repetitions_are_told_as_such(comparison: Comparison) -> None:
    cut_short = replace(comparison.clients[1], reps=400)
    uneven = replace(comparison, clients=(comparison.clients[0], cut_short))
    assert "400 to 1000 repetitions per client" in comparison_markdown(uneven)
