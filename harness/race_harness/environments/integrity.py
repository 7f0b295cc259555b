"""Whether the files of an environment are those that were installed.

Each distribution lists its files with their hashes (PyPA, "Recording installed projects"), but not
the files compiled from them.
"""

import base64
import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path


def changed_files(environment: Path) -> list[str]:
    """Files that are missing or have other contents, relative to where packages are; reads all."""
    return [
        name
        for packages in sorted(environment.glob("lib/python*/site-packages"))
        for name in _changed_in(packages)
    ]


def _changed_in(packages: Path) -> Iterator[str]:
    for info in sorted(packages.glob("*.dist-info")):
        record = info / "RECORD"
        try:
            rows = list(csv.reader(record.read_text(encoding="utf-8").splitlines()))
        except (OSError, ValueError, csv.Error):
            yield f"{info.name}/RECORD"
            continue
        for row in rows:
            if len(row) == 3 and row[1] and not _is_whole(packages / row[0], row[1]):
                yield row[0]


def _is_whole(path: Path, recorded: str) -> bool:
    method, _, wanted = recorded.partition("=")
    if method not in hashlib.algorithms_guaranteed:
        return True
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, method).digest()
    except OSError:
        return False
    # Some packages write the hash in hexadecimal.
    texts = base64.urlsafe_b64encode(found).decode().rstrip("="), found.hex()
    return wanted.rstrip("=") in texts
