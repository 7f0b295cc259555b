"""The disk of the real server: what is written to it fails while it is full.

A file that is opened for writing is opened, made and emptied as ever; then its descriptor is made
to stand for `/dev/full` (full(4)), on which every write(2) fails with ENOSPC. So Python's buffers
fail where they would: when they are flushed, at the latest by `close`.
"""

import builtins
import io
import os
from functools import cache
from pathlib import Path
from typing import Any, Final

from race_harness.server.disk import Disk

_FULL: Final = "/dev/full"

_disk: Disk | None = None
_home = ""


def start(disk: Disk, home: Path) -> None:
    """From now on `disk` holds whatever is below `home`."""
    global _disk, _home
    _disk, _home = disk, os.path.realpath(home)
    if disk.may_fill:
        _install()


@cache
def _install() -> None:
    """Once a process. `Path.open` and `os.fdopen` use `io.open`, everybody else the built-in."""
    original = io.open

    def opened(file: Any, mode: str = "r", *args: Any, **options: Any) -> Any:
        result = original(file, mode, *args, **options)
        if _disk is not None and _disk.full and not set(mode).isdisjoint("wax+"):
            _fill(result)
        return result

    io.open = builtins.open = opened


def _fill(file: Any) -> None:
    path = os.readlink(f"/proc/self/fd/{file.fileno()}")
    if not path.startswith(f"{_home}/"):
        return
    full = os.open(_FULL, os.O_WRONLY)
    try:
        os.dup2(full, file.fileno())
    finally:
        os.close(full)
