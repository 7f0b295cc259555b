"""Temporary folders that are gone when their process is, however it ended.

Each is locked by its owner for as long as that lives (flock(2); the kernel unlocks what a killed
process had). Whoever makes one removes those that nobody has locked any more.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

_PREFIX: Final = "race-held-"


class TemporaryFolder:
    """An empty folder, until it is closed, forgotten, or the process ends."""

    def __init__(self) -> None:
        sweep_folders()
        # Under the name by which it is swept it is locked from the first moment on.
        made = Path(tempfile.mkdtemp(prefix="race-new-"))
        lock = os.open(made, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.path = made.rename(made.with_name(made.name.replace("race-new-", _PREFIX, 1)))
        self._end = weakref.finalize(self, _remove, self.path, lock, os.getpid())

    def __enter__(self) -> Path:
        return self.path

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove it with all that is in it."""
        self._end()


def sweep_folders() -> None:
    """Remove those of this user whose owners are gone."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            _sweep(path)


def abandoned_folders() -> list[Path]:
    """Those that `sweep_folders` would remove, which stay."""
    found = []
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), _held(path) as mine:
            if mine:
                found.append(path)
    return sorted(found)


def _sweep(path: Path) -> None:
    with _held(path) as mine:
        if mine:
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _held(path: Path) -> Iterator[bool]:
    """Whether it is this user's, and nobody's any more: then it is held meanwhile.

    Raises:
        OSError: somebody has it locked, or it cannot be opened.
    """
    if path.lstat().st_uid != os.getuid():
        yield False
        return
    lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    finally:
        os.close(lock)


def _remove(path: Path, lock: int, owner: int) -> None:
    if os.getpid() != owner:
        return  # A fork of it has the folder lent.
    shutil.rmtree(path, ignore_errors=True)
    os.close(lock)
