"""Which tests of somebody's own a worker is to run."""

import json
from dataclasses import dataclass
from typing import Final

PREFIX: Final = "tests:"
"""Begins what stands for an adapter where tests are run; the rest is JSON."""


@dataclass(frozen=True)
class Selection:
    """Which tests are wanted, as pytest takes them."""

    paths: tuple[str, ...]
    keyword: str = ""
    """As for `pytest -k`."""
    source: tuple[str, ...] = ()
    """Modules, or packages, that the tests are about, besides those of their own project."""
    child_processes: bool = False

    def to_adapter(self) -> str:
        """The name of the adapter that a worker is given."""
        return PREFIX + json.dumps(
            [self.paths, self.keyword, self.source, self.child_processes], ensure_ascii=True
        )

    @staticmethod
    def from_adapter(name: str) -> "Selection | None":
        if not name.startswith(PREFIX):
            return None
        paths, keyword, modules, child_processes = json.loads(name.removeprefix(PREFIX))
        return Selection(tuple(paths), keyword, tuple(modules), child_processes)
