"""Clients built from a directory's present content, uncommitted changes included."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from harness.environments.git import GitError, git
from harness.environments.package import PACKAGE, PLACES, declares_package
from harness.environments.recipe import Recipe
from harness.errors import ClientUnavailable

# What tools leave beside sources, for directories where no .gitignore tells.
_TRACES = frozenset(
    {".git", ".hg", ".venv", "venv", ".tox", ".nox", "__pycache__"}
    | {".mypy_cache", ".pytest_cache", ".ruff_cache"}
)
_OUTPUT = frozenset({"build", "dist", f"{PACKAGE.replace('-', '_')}.egg-info"})
"""Likewise, but only at the package's root: further down they may be modules."""


@dataclass(frozen=True)
class SourceFile:
    """One file of a snapshot."""

    content: bytes
    executable: bool


@dataclass(frozen=True)
class Snapshot:
    """A package directory's files at one moment, held in memory (a few megabytes).

    What is hashed is therefore what gets installed, whatever an editor saves in between.
    """

    files: dict[PurePosixPath, SourceFile]

    def digest(self) -> str:
        """The SHA-256 of all paths, modes and contents, in hexadecimal."""
        digest = hashlib.sha256()
        for path, file in sorted(self.files.items()):
            head = f"{path}\0{file.executable:d}\0{len(file.content)}\0"
            digest.update(head.encode(errors="surrogateescape") + file.content)
        return digest.hexdigest()

    def write(self, directory: Path) -> None:
        """Lay the files out below an existing directory; raises `OSError`."""
        for path, file in self.files.items():
            target = directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.content)
            if file.executable:
                target.chmod(0o755)


def checkout_recipe(path: Path) -> Recipe:
    """How to install the package as it is now below `path`, the package's or the monorepo's root.

    Raises `ClientUnavailable` when it is no such directory, or a file in it cannot be read.
    """
    try:
        snapshot = take_snapshot(_package_directory(path))
    except OSError as error:
        raise ClientUnavailable(
            f"cannot read '{error.filename or path}': {error.strerror}"
        ) from error
    digest = snapshot.digest()

    def stage(directory: Path) -> str:
        snapshot.write(directory)
        return f"{PACKAGE} @ {directory.as_uri()}"

    return Recipe(
        key=f"tree-{digest[:40]}",
        title=f"{PACKAGE} from {path}",
        exclude_newer=datetime.now(UTC),
        stage=stage,
        local=f"tree.{digest[:8]}",
    )


def take_snapshot(directory: Path) -> Snapshot:
    """The files of a package directory: in git those it does not ignore, elsewhere all sources.

    Links to files are followed, so that one that leads out of the directory still arrives; links
    to directories are left out. Raises `OSError` for a file that cannot be read.
    """
    files = {}
    for name in _listed_by_git(directory) or _found_by_walking(directory):
        path = directory / name
        # git lists files that were deleted but not yet committed, and submodules.
        if path.is_file():
            files[PurePosixPath(name)] = SourceFile(
                content=path.read_bytes(), executable=bool(path.stat().st_mode & 0o100)
            )
    return Snapshot(files)


def _package_directory(path: Path) -> Path:
    for place in PLACES:
        pyproject = path / place / "pyproject.toml"
        if pyproject.is_file() and declares_package(pyproject.read_bytes()):
            return path / place
    raise ClientUnavailable(
        f"'{path}' is not a checkout of {PACKAGE}: neither pyproject.toml nor "
        f"{PACKAGE}/pyproject.toml there names that project (a commit of a repository: "
        "REPOSITORY@REVISION)"
    )


def _listed_by_git(directory: Path) -> list[str]:
    """Tracked and untracked files that are not ignored; empty where git does not keep them."""
    listing = ("ls-files", "-z", "--cached", "--others", "--exclude-standard")
    try:
        names = git(*listing, directory=directory).split(b"\0")
    except GitError:
        return []
    found = {os.fsdecode(name) for name in names if name}
    # Inside an ignored directory of some other repository, git lists nothing of use.
    return sorted(found) if "pyproject.toml" in found else []


def _found_by_walking(directory: Path) -> Iterator[str]:
    def stop(error: OSError) -> None:
        raise error

    for parent, folders, names in os.walk(directory, onerror=stop):
        skipped = _TRACES | _OUTPUT if Path(parent) == directory else _TRACES
        folders[:] = [folder for folder in folders if folder not in skipped]
        for name in names:
            yield (Path(parent) / name).relative_to(directory).as_posix()
