"""Identifies the harness's exact source, which the version does not while it is worked on."""

import hashlib
import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from race_harness.model.scenario import FOLDER


@cache
def fingerprint() -> str:
    """Return a digest of the source of the harness and the scenarios: 16 hexadecimal digits.

    Two harnesses with different fingerprints may judge differently, even if their versions agree.
    """
    return digest_of([Path(__file__).parent.parent, FOLDER])


def digest_of(folders: Iterable[Path]) -> str:
    """Return the digest of all Python files below some folders, by name and content.

    If a folder lies in another one, its files count for the inner folder only, so the digest is
    the same wherever the folder lies.
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
