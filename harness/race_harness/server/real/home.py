"""Where a trial's server lives: a new directory that is its working directory and its home.

The server writes conversations below its working directory and other things below `~/.openhands`.
Paths go over the wire, so they must be the same bytes in every process: those below the working
directory are relative, and the home's path goes through it.
"""

import functools
import os
import shutil
import tempfile
from pathlib import Path

_BY_WAY_OF_CWD = Path("/proc/self/cwd")
"""On Linux, the working directory of the process that reads it."""


@functools.cache
def settle() -> Path:
    """Give this process its own home, before it imports code that may look there.

    It contains the homes of all trials of this process and of its forks, and is removed when this
    process ends.
    """
    global _all_homes
    _all_homes = tempfile.TemporaryDirectory(prefix="race-server-")
    path = Path(_all_homes.name).resolve()
    _move_to(path / "imports")
    return path


def enter(path: Path | None = None) -> Path:
    """Make a new home, or use the one that is given, and go there; `leave` removes it."""
    path = path or Path(tempfile.mkdtemp(dir=settle()))
    _move_to(path)
    return path


def leave(path: Path) -> None:
    """Go back to where the process settled, and remove this home."""
    _move_to(settle() / "imports")
    shutil.rmtree(path, ignore_errors=True)


_all_homes: tempfile.TemporaryDirectory[str] | None = None


def _move_to(path: Path) -> None:
    (path / "home").mkdir(parents=True, exist_ok=True)
    os.chdir(path)
    os.environ["HOME"] = str((_BY_WAY_OF_CWD if _BY_WAY_OF_CWD.exists() else path) / "home")
