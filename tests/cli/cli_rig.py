"""The commands as people and scripts call them."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

Race = Callable[..., subprocess.CompletedProcess[str]]

RACE = [sys.executable, "-m", "harness.cli"]


def call(folder: Path, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*RACE, *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )


def error_of(done: subprocess.CompletedProcess[str], status: int) -> str:
    """The one line that an error is."""
    assert done.returncode == status, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("race: ")
    assert done.stderr.endswith("\n")
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr
