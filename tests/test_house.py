"""The house: imports keep to the contracts in pyproject.toml, and one name means one thing."""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grimp
import pytest
from importlinter.cli import lint_imports

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "harness" / "race_harness"
CONFIG: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
(LAYERS,) = [
    contract["layers"]
    for contract in CONFIG["tool"]["importlinter"]["contracts"]
    if contract["id"] == "layers"
]


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("race_harness", cache_dir=None)


def test_the_contracts_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(config_filename=str(ROOT / "pyproject.toml"), cache_dir=None)
    assert status == 0, capsys.readouterr().out


def upward(graph: grimp.ImportGraph) -> set[tuple[str, str]]:
    layers = [set(layer.split(" | ")) for layer in LAYERS]
    found = graph.find_illegal_dependencies_for_layers(layers, containers={"race_harness"})
    return {(each.importer, each.imported) for each in found}


def test_the_layers_would_see_an_upward_arrow(graph: grimp.ImportGraph) -> None:
    assert upward(graph) == set()
    importer, imported = "race_harness.model.trace", "race_harness.oracle.judge"
    graph.add_import(importer=importer, imported=imported)
    assert upward(graph) == {("race_harness.model", "race_harness.oracle")}
    graph.remove_import(importer=importer, imported=imported)


def test_no_modules_import_each_other_in_a_circle(graph: grimp.ImportGraph) -> None:
    circular = [
        module
        for module in sorted(graph.modules)
        if any(
            graph.chain_exists(importer=imported, imported=module)
            for imported in graph.find_modules_directly_imported_by(module)
        )
    ]
    assert circular == []


def test_the_architecture_tells_the_layers_of_the_contract() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    block = page.partition("```layers\n")[2].partition("\n```")[0]
    assert block.splitlines() == LAYERS


def test_the_map_names_modules_that_there_are() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"\b(\w+)\.py\b", page.partition("```text\n")[2].partition("```")[0]))
    there = {path.stem for path in PACKAGE.rglob("*.py")}
    assert len(named) > 100
    assert named <= there


def modules() -> Iterator[Path]:
    return (path for path in PACKAGE.rglob("*.py") if path.stem not in ("__init__", "__main__"))


def test_no_two_modules_have_one_name() -> None:
    places = defaultdict(list)
    for path in modules():
        places[path.stem].append(str(path.relative_to(PACKAGE)))
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_no_two_classes_have_one_name() -> None:
    places = defaultdict(list)
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_bytes()).body:
            if isinstance(node, ast.ClassDef):
                places[node.name].append(str(path.relative_to(PACKAGE)))
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def test_sql_is_in_the_store_alone() -> None:
    outside = [
        str(path.relative_to(PACKAGE))
        for path in modules()
        if path.parent.name != "store" and "SELECT " in path.read_text(encoding="utf-8")
    ]
    assert outside == []
