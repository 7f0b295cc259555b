"""Who uses an environment: each process holds a shared lock on its directory while it lives.

The system lets go of it however the process ends, and nothing is left behind on disk. Where a file
system has no locks nobody is kept from removing anything.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

_held: dict[Path, int] = {}
"""Directories in use by this process, and the descriptors that hold them."""


def hold(directory: Path) -> bool:
    """Use a directory until this process ends; False: it is not there, or being removed."""
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
    """Whether nobody uses the directory; if so, nobody begins to before the end of the block."""
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
    """Whether it is still the directory of that name: another may have taken its place."""
    try:
        return os.path.samestat(os.fstat(descriptor), directory.stat())
    except OSError:
        return False
