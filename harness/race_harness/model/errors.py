"""Every error that a command turns into one clear line and an exit status."""

import re
import sysconfig
import traceback
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).parent.parent
_OTHERS: Final = re.compile(
    f"^(<|{re.escape(str(_PACKAGE))}/|{re.escape(sysconfig.get_path('stdlib'))}/)|/site-packages/"
)
"""Matches files that are not the user's: of the harness, the standard library, or packages."""


class HarnessError(Exception):
    """Something the user can act on: the message names the thing and the way out."""

    exit_code = 1


class UsageError(HarnessError):
    """Bad usage, an unknown name, or a file that cannot be read."""

    exit_code = 2


class ClientUnavailable(HarnessError):
    """A client cannot be obtained: its release, path or revision is unknown, or the resolver, the
    index or the cache failed."""

    exit_code = 3


class OutOfReach(ClientUnavailable):
    """A client cannot be obtained now, but nothing is wrong with it: the index does not answer, or
    the cache cannot be written. It may work another time."""


class WorldBroken(HarnessError):
    """The simulation lost control (an escaped thread, a real lock or socket inside a trial).

    A trial that breaks its world has no verdict, so nothing it measured may be reported.
    """

    exit_code = 4

    trial: object | None = None
    """The request of the trial that broke, if known."""


def in_one_line(error: Exception) -> str:
    """Return an error's message in one line: the last line of a traceback; of a message that a
    stack follows, what comes before the stack."""
    first, *others = str(error).strip().splitlines() or [type(error).__name__]
    if not others:
        return first
    if first.startswith("Traceback"):
        return others[-1].strip()
    if first.endswith(", at:"):
        return first.removesuffix(", at:")
    return f"{first} {others[-1].strip()}" if first.endswith(":") else first


def place_of(error: BaseException) -> tuple[str, int] | None:
    """Return the file and line of an error: where the syntax is wrong, or the innermost line of
    its traceback that is neither the harness's nor a library's. None if there is none."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return error.filename, error.lineno
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.lineno and not _OTHERS.search(frame.filename):
            return frame.filename, frame.lineno
    return None


def with_its_stack(error: BaseException) -> str:
    """Return an error in one line, such as `ValueError: no (in /home/me/server.py, line 7)`,
    followed by its stack."""
    said = " ".join(traceback.format_exception_only(error)[-1].split())
    place = place_of(error)
    where = "" if place is None else f" (in {place[0]}, line {place[1]})"
    return f"{said}{where}\n{''.join(traceback.format_exception(error))}"
