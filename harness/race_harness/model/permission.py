"""What a failure file may cause the harness to run, and what only the command line may.

A file may come from anybody. If it names a release of openhands-sdk, the installed one, or the
reference client, the harness runs that. A path (of a client, a checkout, a repository) and a test
are somebody's code, which it runs only if the command line names them.
"""

import re
import shlex
from pathlib import Path
from typing import Final

from race_harness.model.errors import UsageError
from race_harness.model.plain_text import unbroken

_RELEASE: Final = re.compile(r"[0-9]+(\.[0-9A-Za-z]+)*")
_OURS: Final = re.compile(r"installed|reference(:[\w-]+)?", re.ASCII)


def is_release(client: str) -> bool:
    """Whether the argument looks like a version of openhands-sdk."""
    return _RELEASE.fullmatch(client) is not None


def is_anybodys(client: str) -> bool:
    """Whether a client's argument is a release, the installed one or the reference, not a path.

    It does not know `latest`.
    """
    return is_release(client) or _OURS.fullmatch(client) is not None


def may_run_client(client: str, way_out: str) -> None:
    """Check that a client may run merely because a file names it.

    `way_out` is the end of the message, such as `add --client PATH`.

    Raises:
        UsageError: the client is a path, or a folder here has the name of that release and would
            run in its place.
    """
    if not is_anybodys(client):
        raise UsageError(
            f"the file asks for the client {unbroken(client)}, which a file alone may not run: "
            f"{way_out}"
        )
    if is_release(client) and Path(client).is_dir():
        raise UsageError(
            f"the file asks for the client {client}, but a folder here has that name, and a file "
            f"alone may not run it: {way_out}"
        )


def may_run_release(release: str) -> None:
    """Check the same for the release of a real server; raises UsageError."""
    if not is_release(release) or Path(release).is_dir():
        raise UsageError(
            f"the file asks for the server of {unbroken(release)}, which is no release of "
            "openhands-sdk, or is a folder here: name one with --server"
        )


def may_run_test(asked: str, named: str | None) -> str:
    """Return the test that a file asks for, if the command line names it too (`--test`).

    Raises:
        UsageError: the command line names none, or another.
    """
    if asked != named:
        raise UsageError(
            f"that is a failure of the test {unbroken(asked)}, which a file alone may not run: "
            f"add {option('test', asked)}"
        )
    return asked


def needed_options(client: str, test: str | None = None) -> str:
    """Return the options that a command needs, besides the file, to run a failure again, each with
    a blank before it: ` --client PATH`, ` --test NAME`. Most failures need none."""
    named = [] if client == "latest" or is_anybodys(client) else [option("client", client)]
    if test is not None:
        named.append(option("test", test))
    return "".join(f" {each}" for each in named)


def option(name: str, value: str) -> str:
    """Return an option for a command line that people can paste."""
    return f"--{name} {shlex.quote(unbroken(value))}"
