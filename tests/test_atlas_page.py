"""`docs/results/atlas.md`: its table is that of its data, and the scenarios' specifiers agree."""

import json
from pathlib import Path

import pytest

from race_harness.atlas.cells import Cell
from race_harness.atlas.table import atlas_markdown, rows
from race_harness.search import library

DOCS = Path(__file__).parents[1] / "docs" / "results"
DATA = json.loads((DOCS / "atlas.json").read_text(encoding="utf-8"))
CELLS = [Cell.from_dict(cell) for cell in DATA["cells"]]
PAGE = (DOCS / "atlas.md").read_text(encoding="utf-8")


def test_the_table_is_that_of_the_data() -> None:
    assert atlas_markdown(CELLS) in PAGE
    changed = [Cell("1.0.0", CELLS[0].scenario, 20, 0), *CELLS[1:]]
    assert changed[0] != CELLS[0]
    assert atlas_markdown(changed) not in PAGE


def test_every_scenario_was_asked_of_every_release() -> None:
    assert DATA["scenarios"] == library.names()
    wanted = {(release, name) for release in DATA["releases"] for name in DATA["scenarios"]}
    assert {(cell.release, cell.scenario) for cell in CELLS} == wanted
    assert len(CELLS) == len(wanted)


@pytest.mark.parametrize("name", library.names())
def test_a_scenario_fails_where_its_file_says_so(name: str) -> None:
    scenario = library.load(name)
    failing = [cell for cell in rows(CELLS)[name] if cell.state == "fails"]
    for cell in failing:
        assert scenario.known_to_fail(cell.release), cell
    assert bool(failing) == (scenario.fails is not None)
