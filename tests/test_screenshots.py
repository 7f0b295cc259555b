"""The screenshots of the docs show what the command prints now."""

import importlib.util
import re
from html import unescape
from pathlib import Path
from types import ModuleType

import pytest

from race_harness.model.failure import Failure
from race_harness.story.timeline import timeline_text

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def drawing() -> ModuleType:
    spec = importlib.util.spec_from_file_location(
        "screenshots", ROOT / "benchmarks" / "screenshots.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def words(svg: str) -> list[str]:
    """What is written in it, in its order, whatever it looks like."""
    texts = re.findall(r"<text[^>]*>(.*?)</text>", svg, re.DOTALL)
    return " ".join(unescape(text).replace("\xa0", " ") for text in texts).split()


def test_each_is_in_step(drawing: ModuleType) -> None:
    """Else renew them: `python benchmarks/screenshots.py`."""
    files = {path.stem for path in (ROOT / "docs").rglob("screenshots/*.svg")}
    assert files == {*drawing.SHOWN}
    for name in drawing.SHOWN:
        (file,) = (ROOT / "docs").rglob(f"screenshots/{name}.svg")
        assert words(file.read_text(encoding="utf-8")) == words(drawing.screenshot(name))


def test_it_shows_the_story(drawing: ModuleType) -> None:
    svg = drawing.screenshot("dead-socket")
    (path,) = (ROOT / "docs").rglob("dead-socket.json")
    story = timeline_text(Failure.read(path), Path(path.name)).split()
    assert [word for word in story if word not in words(svg)] == []
    assert "@font-face" not in svg
