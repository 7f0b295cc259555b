"""Clients built from one commit of a git repository."""

import io
import os
import tarfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness.environments.git import GitError, git
from harness.environments.package import PACKAGE, PLACES, declares_package
from harness.environments.recipe import Recipe
from harness.errors import ClientUnavailable


def revision_recipe(repository: Path, revision: str) -> Recipe:
    """How to install the package as of a commit.

    `repository` is a work tree, a directory inside one, or a git directory. Raises
    `ClientUnavailable` when it is none of these, lacks the revision, or that lacks the package.
    """
    try:
        found = git("rev-parse", "--absolute-git-dir", "--show-prefix", directory=repository)
    except GitError as error:
        raise ClientUnavailable(f"'{repository}' is no git repository: {error}") from None
    git_dir, _, inside = os.fsdecode(found).partition("\n")
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
    package = _package_tree(objects, sha, inside.strip(), repository, revision)
    seconds = git(
        *(objects, "log", "-1", "--no-show-signature", "--format=%ct", sha), directory=repository
    )

    def stage(directory: Path) -> str:
        try:
            archive = git(objects, "archive", "--format=tar", package, directory=repository)
        except GitError as error:
            raise ClientUnavailable(
                f"cannot read revision '{revision}' of {repository}: {error}"
            ) from None
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(directory, filter="data")
        return f"{PACKAGE} @ {directory.as_uri()}"

    return Recipe(
        key=f"revision-{sha}",
        title=f"{PACKAGE} at {sha[:9]}",
        exclude_newer=datetime.fromtimestamp(int(seconds), UTC) + timedelta(minutes=1),
        stage=stage,
        local=f"g{sha[:9]}",
    )


def _package_tree(objects: str, sha: str, inside: str, repository: Path, revision: str) -> str:
    for place in PLACES:
        try:
            pyproject = git(
                *(objects, "cat-file", "blob", f"{sha}:{inside}{place}pyproject.toml"),
                directory=repository,
            )
        except GitError:
            continue
        if declares_package(pyproject):
            return f"{sha}:{inside}{place}"
    raise ClientUnavailable(
        f"revision '{revision}' of {repository} has no {PACKAGE}: its project is neither at the "
        f"root nor in {PACKAGE}/"
    )
