"""Which of the user's own tests a worker runs."""

import json
from dataclasses import asdict, dataclass
from typing import Final

PREFIX: Final = "tests:"
"""Begins the name of an adapter that stands for tests; the rest is JSON."""


@dataclass(frozen=True)
class Selection:
    """Which tests are wanted, as pytest takes them."""

    paths: tuple[str, ...]
    keyword: str = ""
    """As for `pytest -k`."""
    source: tuple[str, ...] = ()
    """Modules, or packages, that the tests are about, besides those of their own project."""
    child_processes: bool = False
    at_client: bool = False
    """Whether the paths are those of each client's own tree, and not of the working directory."""
    tree: str = ""
    """The folder of that tree, once it is known: tests are run there."""
    invariant: bool = False
    """Whether `run()` of each `RemoteConversation` must return with all events visible."""

    def to_adapter(self) -> str:
        """The selection as the name of an adapter, for a worker."""
        return PREFIX + json.dumps(asdict(self), ensure_ascii=True)

    @staticmethod
    def from_adapter(name: str) -> "Selection | None":
        if not name.startswith(PREFIX):
            return None
        told = json.loads(name.removeprefix(PREFIX))
        lists = {"paths": tuple(told["paths"]), "source": tuple(told["source"])}
        return Selection(**{**told, **lists})
