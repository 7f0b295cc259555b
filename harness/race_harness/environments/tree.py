"""The files of a commit, laid out without git's help.

`git archive` would run the filters that the repository's configuration names, and write whatever
the tree holds: links to anywhere, empty folders for submodules, names with which no build works.
"""

import os
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from race_harness.environments.git import GitError, git

_MOST_BYTES: Final = 64 * 2**20
"""Size limit of one file; no source package has a larger one."""
_MOST_BYTES_OF_ALL: Final = 512 * 2**20

_LINK, _SUBMODULE, _EXECUTABLE = "120000", "160000", "100755"


class OddTree(Exception):
    """The files cannot be laid out; the text says why."""


@dataclass(frozen=True)
class _TreeEntry:
    mode: str
    sha: str
    size: int
    name: str


def lay_out(objects: str, tree: str, repository: Path, directory: Path) -> None:
    """Write the files of a tree, named as git names objects, below an empty directory.

    `objects` is the option that names the git directory. Raises `GitError`, `OddTree` before
    anything is written, or `OSError`.
    """
    listing = ("ls-tree", "-r", "-z", "-l", "--full-tree", tree)
    entries = list(_entries(git(objects, *listing, directory=repository)))
    _check(entries)
    shas = "\n".join(entry.sha for entry in entries)
    told = git(objects, "cat-file", "--batch", directory=repository, stdin=shas)
    contents = dict(zip((entry.name for entry in entries), _contents(told), strict=True))
    for entry in entries:
        if entry.mode == _LINK:
            _check_link(entry.name, os.fsdecode(contents[entry.name]))
    for entry in entries:
        path, content = directory / entry.name, contents[entry.name]
        path.parent.mkdir(parents=True, exist_ok=True)
        if entry.mode == _LINK:
            path.symlink_to(os.fsdecode(content))
            continue
        path.write_bytes(content)
        if entry.mode == _EXECUTABLE:
            path.chmod(0o755)


def _entries(listed: bytes) -> Iterator[_TreeEntry]:
    for line in filter(None, listed.split(b"\0")):
        about, _, name = line.partition(b"\t")
        mode, _kind, sha, size = about.decode().split()
        yield _TreeEntry(mode, sha, int(size) if size.isdecimal() else 0, os.fsdecode(name))


def _check(entries: list[_TreeEntry]) -> None:
    for entry in entries:
        parts = PurePosixPath(entry.name).parts
        if entry.name.startswith("/") or ".." in parts or ".git" in parts:
            raise OddTree(f"{entry.name!a} leads out of it")
        if any(ord(letter) < 32 for letter in entry.name):
            raise OddTree(f"the name {entry.name!a} has control characters")
        if entry.mode == _SUBMODULE:
            raise OddTree(f"{entry.name} is a submodule, whose files are elsewhere")
        if entry.size > _MOST_BYTES:
            raise OddTree(f"{entry.name} has {entry.size >> 20} MB, over {_MOST_BYTES >> 20}")
    if (size := sum(entry.size for entry in entries)) > _MOST_BYTES_OF_ALL:
        raise OddTree(f"its files have {size >> 20} MB, over {_MOST_BYTES_OF_ALL >> 20}")
    links = {entry.name for entry in entries if entry.mode == _LINK}
    for entry in entries:
        if any(str(parent) in links for parent in PurePosixPath(entry.name).parents):
            raise OddTree(f"{entry.name} lies behind a link")


def _check_link(name: str, target: str) -> None:
    where = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
    if target.startswith("/") or where == ".." or where.startswith("../"):
        raise OddTree(f"the link {name} leads out of it, to {target!a}")


def _contents(told: bytes) -> Iterator[bytes]:
    """The contents of each requested object (git-cat-file(1), "Batch output")."""
    at = 0
    while at < len(told):
        end = told.index(b"\n", at)
        _sha, *about = told[at:end].split()
        if len(about) != 2:
            raise GitError(f"an object is missing: {told[at:end].decode(errors='replace')}")
        size = int(about[1])
        yield told[end + 1 : end + 1 + size]
        at = end + size + 2
