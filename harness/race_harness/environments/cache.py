"""Finished environments on disk, and the one safe way to add one."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from race_harness.environments import leases
from race_harness.environments.environment import Environment
from race_harness.environments.installer import CORE_REQUIREMENTS, Interpreter
from race_harness.model.errors import OutOfReach

METADATA = "environment.json"
"""Written last and touched at each use: its time is that of the last use."""

BUILDING = ".building"
"""The folder in the cache's root in which environments are built."""

# Raise this when a change in how environments are built makes the older ones unfit for use.
_FORMAT = 1


def cache_root() -> Path:
    """Where environments are kept: below RACE_HOME if that is set, else in the user's cache."""
    home = os.environ.get("RACE_HOME") or platformdirs.user_cache_dir("race-harness")
    return Path(home).expanduser().absolute() / "environments"


class Cache:
    """The environments made from one interpreter.

    Each is a directory of `root`, named after its key. Unfinished ones live in `BUILDING` below
    it, with a lock file for each key; a directory there belongs to a live builder exactly as long
    as a process holds its key's lock.
    """

    def __init__(self, root: Path, interpreter: Interpreter) -> None:
        self.root = root
        self.interpreter = interpreter
        self._workshop = root / BUILDING
        contents = "\n".join((str(_FORMAT), *CORE_REQUIREMENTS))
        python = f"py{interpreter.version}{interpreter.abi_flags}"
        self._suffix = f"{python}-{hashlib.sha256(contents.encode()).hexdigest()[:8]}"

    def find(self, key: str, client: str) -> Environment | None:
        """The finished environment of a key, or None; a damaged one counts as none.

        From here on this process uses it: it is not removed before the process ends.
        """
        path = self.root / self._name(key)
        python = path / "bin" / "python"
        # Follows the link to the base interpreter, which may have been uninstalled since.
        version = self._used(path) if os.access(python, os.X_OK) else None
        if version is None:
            return None
        return Environment(client, version, python, self.interpreter.version, path)

    def find_folder(self, key: str) -> Path | None:
        """The same for a finished folder that is no environment."""
        path = self.root / self._name(key)
        return None if self._used(path) is None else path

    @staticmethod
    def _used(path: Path) -> str | None:
        """Its version, if it is whole; this process uses it from here on."""
        try:
            metadata = json.loads((path / METADATA).read_bytes())
            version = metadata["version"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if not isinstance(version, str) or not leases.hold(path):
            return None
        with suppress(OSError):  # nothing is ever removed from a read-only cache
            os.utime(path / METADATA)
        return version

    @staticmethod
    def drop(path: Path) -> None:
        """Let a damaged environment count as missing, so that it is built again.

        Raises `OutOfReach` when that fails.
        """
        try:
            (path / METADATA).unlink(missing_ok=True)
        except OSError as error:
            raise OutOfReach(f"cannot remove {path}: {error.strerror or error}") from error

    @contextmanager
    def building(self, key: str, on_wait: Callable[[], None]) -> Iterator[Path]:
        """Hold a key's lock, with an empty directory to build in that is removed afterwards.

        `on_wait` is called before waiting for another process that holds the lock. Raises
        `OutOfReach` when the cache cannot be written, also for an `OSError` inside.
        """
        try:
            self._workshop.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._workshop / f"{self._name(key)}.lock")
            try:
                held = lock.acquire(timeout=0)
            except Timeout:
                on_wait()
                held = lock.acquire()
            with held:
                sweep(self.root, held=self._name(key))
                directory = self._new_directory(key)
                try:
                    yield directory
                finally:
                    shutil.rmtree(directory, ignore_errors=True)
        except OSError as error:
            raise OutOfReach(
                f"cannot write environments to {self.root} ({error.strerror or error}): set "
                "RACE_HOME to a directory that can be written"
            ) from error

    def publish(self, key: str, venv: Path, metadata: dict[str, object]) -> None:
        """Turn a built virtual environment into the key's finished one; the lock must be held.

        Raises `OSError`.
        """
        (venv / METADATA).write_text(json.dumps(metadata, indent=2) + "\n")
        home = self.root / self._name(key)
        if home.exists():
            # A damaged one: out of the way in one step, since a directory is renamed only to a
            # free name.
            broken = self._new_directory(key)
            home.rename(broken / "broken")
            shutil.rmtree(broken, ignore_errors=True)
        venv.rename(home)

    def _name(self, key: str) -> str:
        return f"{key}-{self._suffix}"

    def _new_directory(self, key: str) -> Path:
        return Path(tempfile.mkdtemp(prefix=f"{self._name(key)}~", dir=self._workshop))


def sweep(root: Path, held: str = "") -> int:
    """Remove what killed builders left below a cache's root; returns how much of it there was.

    What is being built stays. `held`: the name of an environment whose lock the caller holds:
    nobody builds it, so everything under that name goes. A uv that outlived its builder may
    continue to write for a moment, to a name that no one else uses; the next sweep removes that.
    """
    removed = 0
    for leftover in (root / BUILDING).glob("*~*"):
        name = _key_of(leftover)
        with suppress(Timeout, OSError), nullcontext() if name == held else _free(leftover):
            shutil.rmtree(leftover, ignore_errors=True)
            removed += 1
    return removed


def leftovers(root: Path) -> list[Path]:
    """What `sweep` would remove; this removes nothing."""
    found = []
    for leftover in (root / BUILDING).glob("*~*"):
        with suppress(Timeout, OSError), _free(leftover):
            found.append(leftover)
    return sorted(found)


def _key_of(leftover: Path) -> str:
    return leftover.name.rpartition("~")[0]


def _free(leftover: Path) -> FileLock:
    """The lock of its builder; taking it raises Timeout while a builder holds it."""
    return FileLock(leftover.with_name(f"{_key_of(leftover)}.lock"), timeout=0)
