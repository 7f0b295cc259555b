"""The commits of a repository between two of its revisions, read without touching its work tree.

Nothing is checked out, and no git worktree is made that would have to be removed again: git's
objects are read, and a commit's files are unpacked where they are built (`revisions`).
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from race_harness.environments.git import GitError, git
from race_harness.environments.revisions import place_of_package
from race_harness.model.errors import ClientUnavailable, UsageError

_FIELDS: Final = ("%H", "%P", "%aI", "%s")
_PULL_REQUEST: Final = re.compile(r"\(#(\d+)\)\s*\Z|\AMerge pull request #(\d+)\b")


@dataclass(frozen=True)
class Commit:
    sha: str
    parents: tuple[str, ...]
    date: str
    """The author's, in ISO 8601."""
    subject: str
    tree: str
    """The git object of the package's folder, or of all files where it has no folder of its own;
    commits with equal ones are the same client."""

    @property
    def pull_request(self) -> int | None:
        """Its number: subjects of squashed commits end with it, those of merges begin with it."""
        found = _PULL_REQUEST.search(self.subject)
        return int(found[1] or found[2]) if found else None


class Repository:
    """A work tree, a directory inside one, or a git directory.

    Raises:
        ClientUnavailable: it is none of these.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            found = git("rev-parse", "--absolute-git-dir", directory=path)
        except GitError as error:
            raise ClientUnavailable(f"'{path}' is no git repository: {error}") from None
        self._git_dir = f"--git-dir={os.fsdecode(found).removesuffix('\n')}"

    def client(self, commit: Commit) -> str:
        """The argument that names the commit's client, in any directory."""
        return f"{self.path.resolve()}@{commit.sha}"

    def resolve(self, revision: str) -> str:
        """The sha of a commit; raises `ClientUnavailable` when there is no such revision."""
        try:
            return self._ask("rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}")
        except GitError:
            raise ClientUnavailable(
                f"no revision '{revision}' in {self.path}: name a commit, tag or branch it has"
            ) from None

    def merge_base(self, one: str, other: str) -> str:
        """The newest commit from which both descend.

        Raises:
            UsageError: there is none.
        """
        try:
            return self._ask("merge-base", one, other)
        except GitError:
            raise UsageError(
                f"{one[:9]} and {other[:9]} have no common history: there is nothing between them"
            ) from None

    def committed_at(self, sha: str) -> int:
        """The time of the commit, in seconds since the epoch."""
        return int(self._ask("log", "-1", "--no-show-signature", "--format=%ct", sha))

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether `newer` descends from `older`, or is the same commit."""
        try:
            return self.merge_base(older, newer) == older
        except UsageError:
            return False

    def chain(self, older: str, newer: str, *, whole: bool = False) -> list[Commit]:
        """`older`, then the commits that led from it to `newer`, the last one: along the first
        parents, so that a merge counts as one step.

        `whole`: a commit's `tree` is that of all its files, not of the package alone. Raises
        `ClientUnavailable` when `newer` has no package.
        """
        place = "" if whole else place_of_package(self.path, newer)
        shas = self._ask("rev-list", "--first-parent", "--reverse", newer, f"^{older}").split()
        return self._commits([older, *shas], place)

    def touching(self, older: str, newer: str, paths: Sequence[str]) -> set[str]:
        """Shas of the chain's commits that change something below the paths, which are relative to
        the repository's root.

        Raises:
            UsageError: git does not accept the paths.
        """
        walk = ("rev-list", "--first-parent", newer, f"^{older}", "--", *paths)
        try:
            return set(self._ask(*walk).split())
        except GitError as error:
            raise UsageError(f"--paths {' '.join(paths)}: {error}") from None

    def _commits(self, shas: Sequence[str], place: str) -> list[Commit]:
        told = self._ask(
            *("log", "--no-walk=unsorted", "--no-show-signature", "-z", "--stdin"),
            f"--format={'%x1f'.join(_FIELDS)}",
            stdin="\n".join(shas),
        )
        trees = self._trees(shas, place)
        found = []
        for entry in filter(None, told.split("\0")):
            sha, parents, date, subject = entry.strip("\n").split("\x1f", len(_FIELDS) - 1)
            found.append(Commit(sha, tuple(parents.split()), date, subject, trees[sha]))
        return found

    def _trees(self, shas: Sequence[str], place: str) -> dict[str, str]:
        """The object at `place` in each commit; where there is none, the commit's whole tree."""
        asked = "\n".join(f"{sha}:{place}\n{sha}^{{tree}}" for sha in shas)
        told = self._ask("cat-file", "--batch-check=%(objectname) %(objecttype)", stdin=asked)
        lines = [line.split() for line in told.splitlines()]
        pairs = zip(lines[::2], lines[1::2], strict=True)
        return {
            sha: (own if own[-1] == "tree" else whole)[0]
            for sha, (own, whole) in zip(shas, pairs, strict=True)
        }

    def _ask(self, *arguments: str, stdin: str | None = None) -> str:
        told = git(self._git_dir, *arguments, directory=self.path, stdin=stdin)
        return told.decode(errors="replace").strip()
