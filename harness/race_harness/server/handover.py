"""What a server writes down for the process that takes its place, over real sockets.

In the simulation a server that is started again is the same object, which knows what it had
persisted, and how far the trial has come. A process that was killed leaves nothing but files.
"""

import os
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


class Handover:
    """Entries in the order in which they were noted, by one process after another.

    A process is stopped before it is killed, so none is ever written in part.
    """

    def __init__(self, folder: Path, failed: Callable[[BaseException], object]) -> None:
        self.folder = folder
        """The trial's own, for whatever else a server wants to leave."""
        self.failed = failed
        """To be called at once with a failure of the server itself: a process that is killed has
        no end at which it could report it."""
        self._path = folder / "handover"
        self._file = os.open(self._path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)

    def note(self, kind: str, *values: Any) -> None:
        """Write an entry, before anybody can learn of what it is about."""
        os.write(self._file, pickle.dumps((kind, *values)))

    def entries(self, *kinds: str) -> Iterator[tuple[Any, ...]]:
        """Yield the entries of these kinds, each with its kind in front."""
        with self._path.open("rb") as file:
            while file.peek(1):
                entry = pickle.load(file)
                if entry[0] in kinds:
                    yield entry
