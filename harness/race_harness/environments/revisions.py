"""Clients built from one commit of a git repository."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from race_harness.environments.git import GitError, git
from race_harness.environments.package import (
    PACKAGE,
    PLACES,
    WITH_SERVER,
    WORKSPACE,
    declares_package,
)
from race_harness.environments.recipe import PLUS_SERVER, Recipe
from race_harness.environments.tree import OddTree, lay_out
from race_harness.model.errors import ClientUnavailable


def revision_recipe(
    repository: Path,
    revision: str,
    *,
    with_server: bool = False,
    with_workspace: bool = False,
) -> Recipe:
    """How to install the package as of a commit.

    `repository` is a work tree, a directory inside one, or a git directory. `with_server`: also
    the server of the same commit; `with_workspace`: also the workspace, if it has one. Raises
    `ClientUnavailable` when `repository` is none of these or lacks the revision, or the commit
    lacks a package.
    """
    tree, inside = _commit(repository, revision)
    place = tree.place_of_package(inside)
    trees = tree.with_server(place) if with_server else {PACKAGE: place}
    beside = tree.beside(place, WORKSPACE)
    if with_workspace and place and tree.declares(beside, WORKSPACE):
        trees[WORKSPACE] = beside
    seconds = git(
        *(tree.objects, "log", "-1", "--no-show-signature", "--format=%ct", tree.sha),
        directory=repository,
    )

    def stage(directory: Path) -> list[str]:
        if not with_server:
            tree.extract(place, directory)
            return [f"{PACKAGE} @ {directory.as_uri()}"]
        for name, below in trees.items():
            (directory / name).mkdir()
            tree.extract(below, directory / name)
        return [f"{name} @ {(directory / name).as_uri()}" for name in trees]

    return Recipe(
        key=f"revision-{tree.sha}{PLUS_SERVER if with_server else ''}",
        title=f"{PACKAGE} at {tree.sha[:9]}" + (" with its server" if with_server else ""),
        exclude_newer=datetime.fromtimestamp(int(seconds), UTC) + timedelta(minutes=1),
        stage=stage,
        local=f"g{tree.sha[:9]}",
    )


@dataclass(frozen=True)
class CommitFiles:
    """One commit, as seen from a directory of its repository."""

    sha: str
    inside: str
    """That directory: empty for the root, else it ends in a slash."""
    tree: "_Tree"

    @staticmethod
    def of(repository: Path, revision: str) -> "CommitFiles":
        """Raises `ClientUnavailable` as `revision_recipe` does."""
        tree, inside = _commit(repository, revision)
        return CommitFiles(tree.sha, inside, tree)

    def lay_out(self, directory: Path) -> None:
        """Write all of its files below an existing directory. Raises `ClientUnavailable`."""
        self.tree.extract("", directory)


def place_of_package(repository: Path, revision: str) -> str:
    """Where the package is in a commit: empty for its root, else a folder with a slash at the end.

    Raises `ClientUnavailable` as `revision_recipe` does.
    """
    tree, inside = _commit(repository, revision)
    return tree.place_of_package(inside)


def _commit(repository: Path, revision: str) -> tuple["_Tree", str]:
    """The commit, and the place of the named directory in it."""
    try:
        git_dir, inside = (
            os.fsdecode(git("rev-parse", option, directory=repository)).removesuffix("\n")
            for option in ("--absolute-git-dir", "--show-prefix")
        )
    except GitError as error:
        raise ClientUnavailable(f"'{repository}' is no git repository: {error}") from None
    if "\n" in inside:
        raise ClientUnavailable(f"{inside!a} in {git_dir!a} has a line break: rename it")
    # Everything from here on reads objects alone, so a work tree would only change what relative
    # names mean.
    objects = f"--git-dir={git_dir}"
    try:
        commit = git(
            objects,
            *("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}"),
            directory=repository,
        )
    except GitError:
        raise ClientUnavailable(
            f"no revision '{revision}' in {repository}: name a commit, tag or branch it has"
        ) from None
    sha = commit.decode().strip()
    return _Tree(objects, sha, repository, revision), inside


@dataclass(frozen=True)
class _Tree:
    """The files of one commit; places in it are empty or end in a slash."""

    objects: str
    """The option that names the git directory."""
    sha: str
    repository: Path
    revision: str

    def place_of_package(self, inside: str) -> str:
        """Where the SDK is, seen from a directory of the repository."""
        for place in PLACES:
            if self.declares(f"{inside}{place}", PACKAGE):
                return f"{inside}{place}"
        raise ClientUnavailable(
            f"revision '{self.revision}' of {self.repository} has no {PACKAGE}: its project is "
            f"neither at the root nor in {PACKAGE}/"
        )

    def with_server(self, place: str) -> dict[str, str]:
        """Where each package is that the server needs: beside the SDK, at `place`."""
        places = {
            name: place if name == PACKAGE else self.beside(place, name) for name in WITH_SERVER
        }
        for name, other in places.items():
            # Nothing lies beside a package at the repository's root.
            if name != PACKAGE and not (place and self.declares(other, name)):
                raise ClientUnavailable(
                    f"revision '{self.revision}' of {self.repository} has no {name} beside "
                    f"{PACKAGE}, which the real server needs: name a commit of the whole "
                    "repository, or run against the fake server"
                )
        return places

    @staticmethod
    def beside(place: str, name: str) -> str:
        """The folder of that name beside one."""
        parent = place.rstrip("/").rpartition("/")[0]
        return f"{parent}/{name}/" if parent else f"{name}/"

    def declares(self, place: str, package: str) -> bool:
        """Whether the package's project is there."""
        try:
            pyproject = git(
                *(self.objects, "cat-file", "blob", f"{self.sha}:{place}pyproject.toml"),
                directory=self.repository,
            )
        except GitError:
            return False
        return declares_package(pyproject, package)

    def extract(self, place: str, directory: Path) -> None:
        """Lay the files below a place out in a directory."""
        try:
            lay_out(self.objects, f"{self.sha}:{place}", self.repository, directory)
        except (GitError, OddTree) as error:
            raise ClientUnavailable(
                f"cannot read revision '{self.revision}' of {self.repository}: {error}"
            ) from None
