"""Running git on repositories that the user pointed at."""

import os
import subprocess
from pathlib import Path
from typing import Final

_SETTINGS: Final = (
    # Read repositories of other owners, too: the user is going to run the client's code anyway.
    "safe.directory=*",
    # But run no program that only the repository's own configuration names.
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.pager=cat",
    "core.sshCommand=false",
    "credential.helper=",
    "diff.external=",
    "gpg.program=false",
    "log.showSignature=false",
    "protocol.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
)
_ENVIRONMENT: Final = {
    # What a partial clone lacks counts as missing: its remote shall not decide how to fetch it.
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
}


class GitError(Exception):
    """git is missing, or refused; the text is the last line it said."""


def git(*arguments: str, directory: Path, stdin: str | None = None) -> bytes:
    """What `git ARGUMENTS` prints when run in a directory and told `stdin`; raises `GitError`."""
    settings = [word for setting in _SETTINGS for word in ("-c", setting)]
    command = ["git", *settings, "-C", os.fspath(directory), *arguments]
    # A git hook that runs the harness exports variables which point git at the hook's repository.
    environ = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            command,
            env=environ | _ENVIRONMENT,
            input=os.fsencode(stdin or ""),
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise GitError("git is not installed") from None
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise GitError(said[-1] if said else f"git stopped with status {done.returncode}")
    return done.stdout
