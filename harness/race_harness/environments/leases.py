"""Who uses an environment: each process holds a shared lock on its directory while it lives.

The system releases it however the process ends, and nothing stays on disk. On a file system
without locks, nothing keeps others from removing an environment in use.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

_held: dict[Path, int] = {}
"""Directories in use by this process, and the descriptors that hold them."""


def hold(directory: Path) -> bool:
    """Use a directory until this process ends; False: it does not exist, or is being removed."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        return False
    if not (_locked(descriptor, fcntl.LOCK_SH) and _is_at(descriptor, directory)):
        os.close(descriptor)
        return False
    before = _held.pop(directory, None)
    _held[directory] = descriptor
    if before is not None:
        os.close(before)
    return True


@contextlib.contextmanager
def alone(directory: Path) -> Iterator[bool]:
    """Whether nobody uses the directory; if so, nobody can before the end of the block."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError:
        yield False
        return
    try:
        yield _locked(descriptor, fcntl.LOCK_EX) and _is_at(descriptor, directory)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass  # No locks here.
    return True


def _is_at(descriptor: int, directory: Path) -> bool:
    """Whether the path still leads to the open directory, and not to one that replaced it."""
    try:
        return os.path.samestat(os.fstat(descriptor), directory.stat())
    except OSError:
        return False
