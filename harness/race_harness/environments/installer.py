"""Making a virtual environment with uv."""

import json
import os
import platform
import re
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from uv import find_uv_bin

from race_harness.environments.releases import INDEX_VARIABLES, configured_index

CORE_REQUIREMENTS = ("fastapi", "uvicorn", "websockets")
"""What the trial core imports inside a client's environment. Without bounds: the client's date and
requirements decide the versions."""

_BUILD_LOG = re.compile(r"\[std(?:out|err)\]\n(.*?)(?=\nhint:|\Z)", re.DOTALL)
_GONE = re.compile(r"HTTP status client error \((404|410)\b")
"""uv says this when the index answers, but has no such file."""
_FRAME = " \t×├│╰─▶"
"""What uv draws around its explanations."""
_ASIDE = ("warning:", "Using Python ")
"""Lines that begin so do not say what failed."""
_LONGEST = 600
"""Characters of uv's explanation that an error line holds at most."""


@dataclass(frozen=True)
class Interpreter:
    """The Python that environments are made from."""

    path: Path
    version: str
    abi_flags: str
    """`t` for a free-threaded build, which needs wheels of its own; otherwise empty."""


class UvFailed(Exception):
    """uv could not install; the text is one line, the reason alone."""


class Unresolvable(UvFailed):
    """uv's resolver found no set of versions that go together."""

    @property
    def first_cause(self) -> str:
        """The opening of the resolver's argument, without what it concludes."""
        return str(self).removeprefix("Because ").partition(", we can conclude")[0]


class NotNow(UvFailed):
    """The index, the disk or uv itself failed, not what uv was to install."""


def base_interpreter() -> Interpreter:
    """The interpreter below the running one's virtual environment, if it is in one."""
    # By its absolute path: a name would be looked up again, and a version manager's stand-ins
    # answer differently in other directories.
    return Interpreter(
        path=Path(getattr(sys, "_base_executable", sys.executable)).resolve(),
        version=platform.python_version(),
        abi_flags=sysconfig.get_config_var("abiflags") or "",
    )


def uv_version() -> str:
    """The version of the uv in use."""
    return metadata.version("uv")


def create(venv: Path, interpreter: Interpreter) -> Path:
    """Make an empty environment, which may be moved later; returns its interpreter.

    Raises `UvFailed`.
    """
    python = ("--python", os.fspath(interpreter.path))
    _uv("venv", "--relocatable", *python, os.fspath(venv), directory=venv.parent)
    return venv / "bin" / "python"


def install(
    requirements: Sequence[str], python: Path, exclude_newer: datetime, directory: Path
) -> None:
    """Install a client and the trial core's requirements as of a moment.

    uv runs in `directory`. Raises `Unresolvable`, `NotNow` or, for any other reason,
    `UvFailed`.
    """
    _uv(
        *("pip", "install", "--python", os.fspath(python)),
        *("--exclude-newer", exclude_newer.astimezone(UTC).isoformat()),
        # A source's own [tool.uv.sources] point to neighbours that are not copied with it.
        "--no-sources",
        # Compiling takes 6 s once on two cores. Left to the first import of the SDK, compiling
        # takes 4 s of it, but then in every trial process that starts before the first is through,
        # and in all of them wherever PYTHONDONTWRITEBYTECODE is set (7.5 s instead of 3.7 s).
        "--compile-bytecode",
        *(*requirements, *CORE_REQUIREMENTS),
        directory=directory,
    )


def would_change(requirement: str, python: Path, directory: Path) -> list[str]:
    """What uv would install into an environment for a requirement: pins such as
    `websockets==15.0.1`, or `name @ URL`, without packages there that fit. Changes nothing.

    Raises what `install` raises.
    """
    said = _run(
        *("pip", "install", "--dry-run", "--python", os.fspath(python), "--no-sources"),
        # Without this, uv would not even answer for the system's own Python.
        *("--break-system-packages", "--", requirement),
        directory=directory,
    ).stderr
    return re.findall(r"^ \+ (\S+==\S+|\S+ @ \S+)$", said, re.MULTILINE)


def install_alone(pins: Sequence[str], python: Path, directory: Path) -> None:
    """Install just these, without what they require. Raises what `install` raises."""
    if pins:
        _uv(
            *("pip", "install", "--no-deps", "--no-sources", "--compile-bytecode"),
            *("--python", os.fspath(python), "--", *pins),
            directory=directory,
        )


def installed(python: Path, directory: Path) -> dict[str, str]:
    """The version of each package in an environment, by name; raises `UvFailed`."""
    listing = ("pip", "list", "--python", os.fspath(python), "--format", "json")
    packages = json.loads(_uv(*listing, directory=directory))
    return {package["name"]: package["version"] for package in packages}


def _uv(*arguments: str, directory: Path) -> str:
    """Run uv and return what it prints as its result."""
    command, *others = arguments
    return _run(command, "-q", *others, directory=directory).stdout


def _run(*arguments: str, directory: Path) -> subprocess.CompletedProcess[str]:
    try:
        uv = find_uv_bin()
    except FileNotFoundError as error:
        raise NotNow(f"uv is missing ({error}): install its package again") from None
    # No configuration file may change what a client's environment holds. The index, which differs
    # from place to place, comes from an environment variable.
    fixed = ("--no-config", "--no-python-downloads", "--no-progress", "--color", "never")
    command, *others = arguments
    done = subprocess.run(
        [uv, command, *fixed, *others],
        cwd=directory,
        env=_environ(os.environ),
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise kind_of(done.stderr)(explain(done.stderr))
    return done


def kind_of(stderr: str) -> type[UvFailed]:
    """The kind of error, from what uv printed."""
    if "No solution found" in stderr:
        return Unresolvable
    unheard = "Failed to fetch" in stderr and not _GONE.search(stderr)
    return NotNow if unheard or "No space left on device" in stderr else UvFailed


def _environ(environ: Mapping[str, str]) -> dict[str, str]:
    child = {name: text for name, text in environ.items() if name not in INDEX_VARIABLES}
    if index := configured_index(environ):
        # As a variable, not an argument: the address may hold a password.
        child[INDEX_VARIABLES[0]] = index
    return child


def explain(stderr: str) -> str:
    """The reason that uv printed for its failure, as one line."""
    # Of all that a build printed, the last line is its exception.
    text = _BUILD_LOG.sub(lambda log: log[1].strip().rpartition("\n")[2], stderr)
    lines = (line.strip(_FRAME) for line in text.splitlines())
    said = [line for line in lines if line and not line.startswith(_ASIDE)]
    flat = " ".join(said).removeprefix("error: ")
    if "No solution found" in flat and "Because " in flat:
        flat = flat[flat.index("Because ") :]
    # uv's hints are about its own options, which the user of a trial cannot pass.
    flat = flat.partition(" hint: ")[0].replace(" cause: ", ": ").rstrip(". ")
    return flat if len(flat) <= _LONGEST else f"{flat[:_LONGEST].rstrip()}…"
