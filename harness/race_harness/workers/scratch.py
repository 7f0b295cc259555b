"""Folders of a trial's own, with the same names in every process: paths get into bytes, too.

Linux lets a process have mounts that no other sees (mount_namespaces(7)). Each repetition has an
empty file system in memory at one place, which vanishes with it. What it writes to the project
under test goes there, too, so that no repetition sees the writes of another.
"""

import ctypes
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from race_harness.model.errors import UsageError

_MS_REC, _MS_PRIVATE = 0x4000, 1 << 18


def place() -> Path:
    """The folder for all this, made if it is missing.

    Raises:
        UsageError: another user owns something of that name.
    """
    found = Path("/tmp") / f"race-trial-{os.getuid()}"
    with suppress(FileExistsError):
        found.mkdir(mode=0o700)
    if found.is_symlink() or not found.is_dir() or found.stat().st_uid != os.getuid():
        raise UsageError(f"{found} is no folder of yours: have it removed, since trials use it")
    return found


def enter(point: Path) -> None:
    """Put an empty folder there, for this process, which has no other thread, and its children.

    Raises:
        OSError: the machine does not allow it.
    """
    user, group = os.getuid(), os.getgid()
    if user == 0:
        os.unshare(os.CLONE_NEWNS)
    else:
        os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNS)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    _mount(None, "/", None, _MS_REC | _MS_PRIVATE)
    _mount("tmpfs", str(point), "tmpfs", 0)


_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def keep_as_it_is(folder: Path, point: Path) -> None:
    """Let this process write to the folder so that nobody else sees it and nothing of it is left
    (overlayfs; kernel documentation, filesystems/overlayfs). Call it after `enter`.

    Raises:
        OSError: the machine does not allow it.
    """
    here = Path.cwd()
    upper, work = point / "written", point / "work"
    upper.mkdir()
    work.mkdir()
    layers = f"lowerdir={folder},upperdir={upper},workdir={work}"
    _mount("overlay", str(folder), "overlay", 0, layers)
    # The working directory still refers to the folder below the mount.
    os.chdir(here)


def _mount(
    source: str | None, target: str, kind: str | None, flags: int, data: str | None = None
) -> None:
    texts = (text and text.encode() for text in (source, target, kind))
    if _LIBC.mount(*texts, flags, data and data.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def furnish(point: Path) -> None:
    """Put home and the folder for temporary files of this process there."""
    for name, variable in (("home", "HOME"), ("tmp", "TMPDIR")):
        folder = point / name
        folder.mkdir()
        os.environ[variable] = str(folder)
    # `tempfile` keeps what it found before.
    tempfile.tempdir = None
