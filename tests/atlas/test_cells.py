"""Cells, their spans and their tables."""

from collections.abc import Sequence

from race_harness.atlas.cells import Cell, glyph, spans
from race_harness.atlas.table import atlas_markdown, caption, skipped

RELEASES = ("1.7.0", "1.8.0", "1.9.0", "1.10.0", "1.11.0")


def row(*passed: int | None, scenario: str = "final-events") -> list[Cell]:
    """A scenario on the releases, each with so many of 200 passed; None: it could not be had."""
    return [
        Cell(release, scenario, skipped="cannot be resolved")
        if many is None
        else Cell(release, scenario, 200, many, 0, {"late": 200 - many, "ok": many})
        for release, many in zip(RELEASES, passed, strict=False)
    ]


def words(cells: Sequence[Cell]) -> list[str]:
    return list(map(str, spans(cells)))


def test_a_race_comes_and_goes() -> None:
    assert words(row(200, 120, 128, 200, 0)) == [
        "passes 1.7.0",
        "fails 1.8.0 to 1.9.0 (passes 60 to 64 %)",
        "passes 1.10.0",
        "fails 1.11.0 (passes 0 %)",
    ]


def test_a_release_without_a_rate_interrupts_nothing() -> None:
    assert words(row(None, 120, None, 120, 200)) == [
        "fails 1.8.0 to 1.10.0 (passes 60 %)",
        "passes 1.11.0",
    ]
    assert words(row(None, None)) == ["skipped 1.7.0 to 1.8.0"]


def test_no_rate_is_rounded_to_a_certainty() -> None:
    nearly = [Cell("1.7.0", "x", 1000, 999), Cell("1.8.0", "x", 1000, 1)]
    assert words(nearly) == ["fails 1.7.0 to 1.8.0 (passes < 1 to > 99 %)"]
    assert [glyph(cell) for cell in nearly] == ["░", "▓"]


def test_glyphs_tell_how_often() -> None:
    assert "".join(map(glyph, row(200, 150, 100, 50, 0))) == "·░▒▓█"
    assert glyph(Cell("1.7.0", "x", skipped="gone")) == " "


def test_errors_that_are_explained_pass_and_are_told_apart() -> None:
    cells = [
        Cell("1.7.0", "x", 20, 20, verdicts={"explained": 3, "ok": 17}),
        Cell("1.8.0", "x", 20, 20, verdicts={"ok": 20}),
        Cell("1.9.0", "x", 20, 19, verdicts={"late": 1, "explained": 19}),
    ]
    assert "".join(map(glyph, cells)) == "∘·░"
    assert words(cells) == [
        "passes, not always ok, 1.7.0",
        "passes 1.8.0",
        "fails 1.9.0 (passes 95 %)",
    ]


def test_void_trials_are_in_no_rate() -> None:
    cell = Cell("1.7.0", "x", reps=10, passed=6, void=4)
    assert (cell.pass_rate, cell.state) == (1.0, "passes")
    nothing = Cell("1.7.0", "x", reps=10, void=10, skipped="every trial was void")
    assert (nothing.pass_rate, nothing.state) == (None, "skipped")


def test_cells_survive_their_json() -> None:
    for cell in row(3, None):
        assert Cell.from_dict(cell.to_dict()) == cell


def test_a_reason_is_told_once_with_where_it_holds() -> None:
    cells = [*row(None, 200), *row(None, 200, scenario="clean")]
    cells += [Cell("1.9.0", "clean", skipped="a lock")]
    assert skipped(cells) == {"cannot be resolved": "1.7.0", "a lock": "1.9.0 (clean)"}
    page = atlas_markdown(cells)
    assert caption(cells) in page
    assert "- 1.7.0: cannot be resolved\n- 1.9.0 (clean): a lock\n" in page
    # A table cell that begins with ordinary blanks would lose them.
    assert "| `final-events` | `\N{NO-BREAK SPACE}·` | passes 1.8.0 |" in page


def test_releases_without_a_rate_for_the_same_reason_are_told_together() -> None:
    def lacking(release: str, scenario: str) -> Cell:
        return Cell(release, scenario, skipped=f"{release} has no stop hooks")

    cells = [lacking(release, "stop-hook") for release in RELEASES if release != "1.9.0"]
    cells += [Cell(release, "clean", 9, 9) for release in RELEASES]
    cells += [Cell("1.9.0", "stop-hook", skipped="a lock")]
    cells.sort(key=lambda cell: (cell.scenario, RELEASES.index(cell.release)))
    assert skipped(cells) == {
        "this release has no stop hooks": "1.7.0 to 1.8.0, 1.10.0 to 1.11.0 (stop-hook)",
        "a lock": "1.9.0 (stop-hook)",
    }


def test_the_caption_tells_how_many_repetitions() -> None:
    cells = [Cell(release, "clean", 30, 30) for release in RELEASES[:2]]
    assert caption(cells).endswith("2 releases, 1.7.0 to 1.8.0, 30 repetitions each")
    cells += [Cell("1.9.0", "clean", 20, 1), Cell("1.10.0", "clean", skipped="gone")]
    assert caption(cells).endswith(", 20 to 30 repetitions each")
