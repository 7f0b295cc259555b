"""What the cache of environments holds, and which of them to remove to make it smaller."""

import json
import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from race_harness.environments import leases
from race_harness.environments.cache import BUILDING, METADATA
from race_harness.environments.package import PACKAGE
from race_harness.model.errors import OutOfReach

File = tuple[int, int]
"""Device and inode: uv links the same file into many environments."""


@dataclass(frozen=True)
class KeptEnvironment:
    """One environment on disk."""

    path: Path
    title: str
    """What it holds, such as `openhands-sdk 1.10.0`."""
    used_at: float
    """When it was last used, in seconds since the epoch."""
    files: Mapping[File, int]
    """Bytes on disk of each of its files."""
    shared: int = 0
    """How many of these bytes belong to files that are also in other environments or uv's own
    cache. Removing this environment alone does not free them."""

    def is_called(self, name: str) -> bool:
        """Whether a name means this one: the name of its folder, its title, or its client."""
        of_client = f"{PACKAGE} {name}"
        return name in (self.path.name, self.title) or f"{self.title} ".startswith(f"{of_client} ")

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(self.files.values())


@dataclass(frozen=True)
class Removal:
    kept: KeptEnvironment
    reason: str


def environments(root: Path) -> list[KeptEnvironment]:
    """All finished environments below the cache's root, the one used last first."""
    if not root.is_dir():
        return []
    found = [_kept(path) for path in root.iterdir() if path.is_dir() and path.name[0] != "."]
    return sorted(found, key=lambda kept: kept.used_at, reverse=True)


def total(kept: Sequence[KeptEnvironment]) -> int:
    """Bytes of all of them, each file counted once."""
    files: dict[File, int] = {}
    for each in kept:
        files.update(each.files)
    return sum(files.values())


def measured(root: Path, within_s: float) -> tuple[int, int, bool]:
    """How many environments there are; the bytes of the files that it can look at within that many
    wall seconds, each counted once; and whether those are all files."""
    folders = [one for one in root.iterdir() if one.is_dir()] if root.is_dir() else []
    kept = [one for one in folders if one.name[0] != "."]
    files: dict[File, int] = {}
    until = time.monotonic() + within_s
    for path in kept:
        for status in _files(path):
            files[status.st_dev, status.st_ino] = 512 * status.st_blocks
            if time.monotonic() > until:
                return len(kept), sum(files.values()), False
    return len(kept), sum(files.values()), True


def choose(
    kept: Sequence[KeptEnvironment], *, now: float, most_bytes: float, most_idle_s: float
) -> list[Removal]:
    """Which ones to remove: those unused for too long, and then the least recently used of the
    others, until the rest is small enough. Pure.

    A file's bytes count as freed once no environment holds it any more.
    """
    removals = [
        Removal(each, f"not used for {(now - each.used_at) / 86_400:.0f} days")
        for each in kept
        if now - each.used_at > most_idle_s
    ]
    gone = {removal.kept.path for removal in removals}
    left = sorted((each for each in kept if each.path not in gone), key=lambda e: e.used_at)
    uses = Counter(file for each in left for file in each.files)
    size = total(left)
    for each in left:
        if size <= most_bytes:
            break
        uses.subtract(each.files.keys())
        size -= sum(count for file, count in each.files.items() if not uses[file])
        removals.append(Removal(each, "used longest ago"))
    return removals


def remove(kept: KeptEnvironment) -> bool:
    """Remove one; False: it stays, since a process uses it, or builds it again.

    One step moves it out of the way, so nobody ever meets a part of it. Raises `OutOfReach` when
    it cannot be removed.
    """
    workshop = kept.path.parent / BUILDING
    try:
        workshop.mkdir(exist_ok=True)
        with (
            FileLock(workshop / f"{kept.path.name}.lock", timeout=0),
            leases.alone(kept.path) as free,
        ):
            if not free:
                return False
            away = Path(tempfile.mkdtemp(prefix=f"{kept.path.name}~", dir=workshop))
            kept.path.rename(away / "removed")
            shutil.rmtree(away, ignore_errors=True)
    except Timeout:
        return False
    except OSError as error:
        raise OutOfReach(f"cannot remove {kept.path}: {error.strerror or error}") from error
    return True


def _kept(path: Path) -> KeptEnvironment:
    try:
        metadata: dict[str, Any] = json.loads((path / METADATA).read_bytes())
        title = str(metadata["client"])
        used_at = (path / METADATA).stat().st_mtime
    except (OSError, ValueError, KeyError, TypeError):
        # Nobody can use it as it is.
        title, used_at = path.name, 0.0
    files: dict[File, int] = {}
    shared = 0
    for status in _files(path):
        file = status.st_dev, status.st_ino
        if file not in files:
            files[file] = 512 * status.st_blocks
            shared += files[file] if status.st_nlink > 1 else 0
    return KeptEnvironment(path, title, used_at, files, shared)


def _files(path: Path) -> Iterator[os.stat_result]:
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _files(Path(entry.path))
                else:
                    yield entry.stat(follow_symlinks=False)
    except OSError:
        return  # It is being removed just now.
