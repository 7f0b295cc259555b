"""Judgements on disk, so that an interrupted bisect does not judge a client twice.

There is one file for each question, since a judgement depends only on the question and the client,
not on the range. A line is written as soon as a client is judged.
"""

import contextlib
import hashlib
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from race_harness.bisect.judged import Judged
from race_harness.environments.cache import cache_root
from race_harness.model.errors import OutOfReach, UsageError
from race_harness.model.fingerprint import fingerprint
from race_harness.model.version import __version__

_FORMAT: Final = 1


class Journal:
    """The judgements of one question.

    `identity` is all that decides an answer besides the client and this harness. `fresh` ignores
    earlier judgements, and replaces them.

    Raises:
        OutOfReach: the file cannot be written.
    """

    def __init__(self, identity: Mapping[str, Any], *, fresh: bool = False) -> None:
        self.path = _directory() / f"{_key(identity)}.jsonl"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if fresh:
                self.path.unlink(missing_ok=True)
            # Fail now, not after minutes of trials; and note the file's last use.
            self.path.touch()
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self._known = _read(self.path)

    def find(self, key: str) -> Judged | None:
        """The judgement of the client with that key, if there is one."""
        return self._known.get(key)

    def add(self, key: str, judged: Judged) -> None:
        """Keep a judgement; raises `OutOfReach` when it cannot be written."""
        self._known[key] = judged
        # A line break first: the file may end with a part of a line.
        line = "\n" + json.dumps({"key": key, **judged.to_dict()}) + "\n"
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise _unwritable(self.path, error) from error


def forget(before: float) -> int:
    """Remove the judgements of questions last asked before a time, in seconds since the epoch;
    return the number of those questions."""
    removed = 0
    for path in _directory().glob("*.jsonl"):
        with contextlib.suppress(OSError):
            if path.stat().st_mtime < before:
                path.unlink()
                removed += 1
    return removed


def _read(path: Path) -> dict[str, Judged]:
    found: dict[str, Judged] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        # A process that was killed may have left a part of a line at the end.
        with contextlib.suppress(ValueError, KeyError, TypeError, UsageError):
            data = json.loads(line)
            found[data["key"]] = Judged.from_dict(data)
    return found


def _directory() -> Path:
    return cache_root().parent / "bisect"


def _key(identity: Mapping[str, Any]) -> str:
    decides = {
        "format": _FORMAT,
        "harness": [__version__, fingerprint()],
        "python": platform.python_version(),
        **identity,
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:24]


def _unwritable(path: Path, error: OSError) -> OutOfReach:
    return OutOfReach(
        f"cannot write {path} ({error.strerror or error}): set RACE_HOME to a directory that can "
        "be written"
    )
