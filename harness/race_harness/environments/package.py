"""The upstream packages: their names, and how to tell the directory of one from any other."""

import tomllib
from typing import Final

from packaging.utils import canonicalize_name

PACKAGE: Final = "openhands-sdk"

SERVER: Final = "openhands-agent-server"

WITH_SERVER: Final = (PACKAGE, "openhands-tools", SERVER)
"""What the real server needs of its own monorepo. It imports the tools without requiring them, and
requires the SDK without a version, so all three come from one release or one tree."""

WORKSPACE: Final = "openhands-workspace"
"""What tests of the server need as well; not every release has it."""

PLACES = ("", f"{PACKAGE}/")
"""Where the package may be below a checkout's root: the root itself, or the monorepo's folder."""


def declares_package(pyproject: bytes, package: str = PACKAGE) -> bool:
    """Whether this `pyproject.toml` declares the package."""
    try:
        name = tomllib.loads(pyproject.decode())["project"]["name"]
        return canonicalize_name(name) == package
    except (ValueError, KeyError, TypeError):
        return False
