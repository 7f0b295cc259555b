"""Clients built from a directory's present content, uncommitted changes included."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from race_harness.environments.git import GitError, git
from race_harness.environments.package import (
    PACKAGE,
    PLACES,
    WITH_SERVER,
    WORKSPACE,
    declares_package,
)
from race_harness.environments.recipe import PLUS_SERVER, Recipe
from race_harness.model.errors import ClientUnavailable

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

    So the installed files are the hashed ones, whatever an editor saves in between.
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


def checkout_recipe(
    path: Path, *, with_server: bool = False, with_workspace: bool = False
) -> Recipe:
    """How to install the package as it is now below `path`, the package's or the monorepo's root.

    `with_server`: also the server beside it in the monorepo; `with_workspace`: also the workspace,
    if there is one. Raises `ClientUnavailable` when `path` is no such directory, or a file in it
    cannot be read.
    """
    package = _package_directory(path)
    found = _with_server(package, path) if with_server else {PACKAGE: package}
    if with_workspace and _is_project(beside := package.absolute().parent / WORKSPACE, WORKSPACE):
        found[WORKSPACE] = beside
    try:
        snapshots = {name: take_snapshot(directory) for name, directory in found.items()}
    except OSError as error:
        raise ClientUnavailable(
            f"cannot read '{error.filename or path}': {error.strerror}"
        ) from error
    digests = [snapshot.digest() for snapshot in snapshots.values()]
    own, whole = digests[0], hashlib.sha256("".join(digests).encode()).hexdigest()

    def stage(directory: Path) -> list[str]:
        if not with_server:
            snapshots[PACKAGE].write(directory)
            return [f"{PACKAGE} @ {directory.as_uri()}"]
        for name, snapshot in snapshots.items():
            snapshot.write(directory / name)
        return [f"{name} @ {(directory / name).as_uri()}" for name in snapshots]

    return Recipe(
        key=f"tree-{whole[:40]}{PLUS_SERVER}" if with_server else f"tree-{own[:40]}",
        title=f"{PACKAGE} from {path}" + (" with its server" if with_server else ""),
        exclude_newer=datetime.now(UTC),
        stage=stage,
        # The SDK alone counts: a client stays the same, whatever it runs against.
        local=f"tree.{own[:8]}",
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


def _with_server(package: Path, path: Path) -> dict[str, Path]:
    """The directory of each package that the server needs: those beside the SDK's own."""
    found = {}
    for name in WITH_SERVER:
        directory = package if name == PACKAGE else package.absolute().parent / name
        if not _is_project(directory, name):
            raise ClientUnavailable(
                f"'{path}' has no {name} beside {PACKAGE}, which the real server needs: name a "
                "checkout of the whole repository, or run against the fake server"
            )
        found[name] = directory
    return found


def _is_project(directory: Path, package: str) -> bool:
    pyproject = directory / "pyproject.toml"
    return pyproject.is_file() and declares_package(pyproject.read_bytes(), package)


def _listed_by_git(directory: Path) -> list[str]:
    """Tracked and untracked files that are not ignored; empty outside of a repository."""
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
