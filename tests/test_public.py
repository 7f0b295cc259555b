"""The public interface: what `race_harness` exports, and that nothing else is shown to users."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import race_harness
from race_harness.model.failure import Failure
from race_harness.story.pytest_file import pytest_file

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
EXAMPLES = [
    *(ROOT / "tests" / "clients" / name for name in ("own_client.py", "async_client.py")),
    ROOT / "tests" / "campaign" / "own_scenario.py",
]


@pytest.mark.parametrize("name", race_harness.__all__)
def test_each_name_is_there_and_documented(name: str) -> None:
    value = getattr(race_harness, name)
    if not name.isupper() and not name.startswith("__"):
        assert value.__doc__
    assert name in dir(race_harness)


def test_no_other_name_is() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Kernel'"):
        _ = race_harness.Kernel  # type: ignore[attr-defined]
    assert len(race_harness.__all__) <= 16


def test_each_is_imported_from_where_a_type_checker_finds_it() -> None:
    """What runs and what a type checker reads are two tables; they say the same."""
    tree = ast.parse(Path(race_harness.__file__).read_text(encoding="utf-8"))
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    typed = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert {*typed, "__version__"} == set(race_harness.__all__)
    for name, module in typed.items():
        assert getattr(race_harness, name) is getattr(importlib.import_module(str(module)), name)


def test_importing_the_package_costs_nothing() -> None:
    program = (
        "import sys; before = set(sys.modules); import race_harness;"
        "print(sorted({name.partition('.')[0] for name in set(sys.modules) - before}"
        " - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "['race_harness']"


def private(code: str) -> Iterator[str]:
    """What a piece of code imports of the package beyond its public names."""
    for module, names in re.findall(
        r"^\s*from (race_harness[\w.]*) import (\([^)]*\)|.*)$", code, re.MULTILINE
    ):
        for name in re.findall(r"\w+", re.sub(r"#.*| as \w+", "", names)):
            if module != "race_harness" or name not in race_harness.__all__:
                yield f"{module}.{name}"
    yield from re.findall(r"^\s*import (race_harness\.[\w.]+)", code, re.MULTILINE)


def test_a_private_name_would_be_seen() -> None:
    code = (
        "from race_harness import Client, Kernel\n"
        "from race_harness.sim.strands import (\n    Choice,\n)\n"
        "import race_harness.sim\n"
    )
    assert list(private(code)) == [
        "race_harness.Kernel",
        "race_harness.sim.strands.Choice",
        "race_harness.sim",
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_pages_use_public_names(page: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert [name for block in blocks for name in private(block)] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_examples_use_public_names(example: Path) -> None:
    assert list(private(example.read_text(encoding="utf-8"))) == []


def test_exported_tests_use_public_names() -> None:
    path = ROOT / "docs" / "results" / "findings" / "first-snapshot.json"
    text = pytest_file(Failure.read(path), path)
    assert "from race_harness import assert_schedule_passes" in text
    assert list(private(text)) == []
