"""Identifies this version of the harness, also while it is being changed."""

import hashlib
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from race_harness.model.scenario import FOLDER


@cache
def fingerprint() -> str:
    """A digest of the source of the harness and the scenarios: 16 hexadecimal digits.

    What it judged with one is not what it would judge with another, whatever the version says.
    """
    return digest_of([Path(__file__).parent.parent, FOLDER])


def digest_of(folders: Iterable[Path]) -> str:
    """The digest of all Python files below some folders, by name and content.

    A folder may lie in another one. Its files are then its own only, so the digest is the same
    wherever it lies.
    """
    names = {
        path: os.fsencode(path.relative_to(folder.parent))
        for folder in folders
        for path in folder.rglob("*.py")
    }
    digest = hashlib.blake2b(digest_size=8)
    for path, name in sorted(names.items(), key=lambda item: item[1]):
        digest.update(name + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
