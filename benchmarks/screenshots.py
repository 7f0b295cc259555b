"""Draws the terminal as an SVG for the docs: what `race show` prints of a committed failure.

    uv run python benchmarks/screenshots.py

writes docs/screenshots/. Nothing is run, so it is the same wherever it is drawn.
"""

import io
import re
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import MONOKAI

from race_harness.model.failure import Failure
from race_harness.story.timeline import timeline

DOCS: Final = Path(__file__).parents[1] / "docs"
SHOWN: Final = ("dead-socket",)
"""Names of failure files in the docs."""


def screenshot(name: str, columns: int = 100) -> str:
    """The SVG. It names no font of another machine, so that a page with it needs no network."""
    (path,) = DOCS.rglob(f"{name}.json")
    console = Console(record=True, file=io.StringIO(), width=columns, force_terminal=True)
    # In the docs, nobody has the path of whoever drew it.
    console.print(timeline(Failure.read(path), Path(path.name)), crop=False)
    svg = console.export_svg(title=f"race show {path.name}", theme=MONOKAI, unique_id=name)
    return re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)


def main() -> None:
    """Draw all of them."""
    for name in SHOWN:
        file = DOCS / "screenshots" / f"{name}.svg"
        file.parent.mkdir(exist_ok=True)
        file.write_text(screenshot(name), encoding="utf-8")
        print(file)


if __name__ == "__main__":
    main()
