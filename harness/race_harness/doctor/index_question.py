"""Asks the package index, in a process that can be ended while it waits for an answer."""

import json
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Final

from race_harness.environments.releases import index_address, published
from race_harness.model.errors import HarnessError
from race_harness.model.plain_text import in_one_line

LIMIT_S: Final = 5.0
"""Wall seconds that the index may take."""


@dataclass(frozen=True)
class IndexAnswer:
    address: str
    releases: int = 0
    problem: str | None = None


def ask_index(environ: Mapping[str, str], limit_s: float = LIMIT_S) -> IndexAnswer:
    """How many releases of openhands-sdk the index has."""
    command = [sys.executable, "-P", "-m", __spec__.name]
    with subprocess.Popen(
        # Without a buffer: the second line could stay there when the first is read.
        command,
        bufsize=0,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=dict(environ),
    ) as asking:
        assert asking.stdout is not None
        # The process first imports what it needs; the limit counts from its first line on.
        address = asking.stdout.readline().decode().strip()
        try:
            told, _ = asking.communicate(timeout=limit_s)
            return IndexAnswer(**json.loads(told))
        except subprocess.TimeoutExpired:
            asking.kill()
            return IndexAnswer(address, problem=f"{address} has not answered in {limit_s:g} s")
        except ValueError:
            return IndexAnswer(address, problem=f"{address or 'the index'} cannot be asked")


def _ask() -> IndexAnswer:
    address = index_address()
    try:
        return IndexAnswer(address, len(published()))
    except HarnessError as error:
        # Leave out the error's way out: the doctor gives its own.
        return IndexAnswer(address, problem=in_one_line(str(error).partition("): ")[0] + ")"))


def _main() -> None:
    print(index_address(), flush=True)
    with suppress(BrokenPipeError):
        print(json.dumps(asdict(_ask())), flush=True)


if __name__ == "__main__":
    _main()
