"""Running git on repositories that the user pointed at."""

import os
import subprocess
from pathlib import Path


class GitError(Exception):
    """git is missing, or refused; the text is the last line it said."""


def git(*arguments: str, directory: Path, stdin: str | None = None) -> bytes:
    """What `git ARGUMENTS` prints when run in a directory and told `stdin`; raises `GitError`."""
    # Repositories of another owner are read too: whoever asks for a client runs its code anyway.
    command = ["git", "-c", "safe.directory=*", "-C", os.fspath(directory), *arguments]
    # A git hook that runs the harness exports variables which point git at the hook's repository.
    environ = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            command,
            env=environ,
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
