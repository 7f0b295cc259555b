"""The upstream package: its name, and how to tell its directory from any other."""

import tomllib

from packaging.utils import canonicalize_name

PACKAGE = "openhands-sdk"

PLACES = ("", f"{PACKAGE}/")
"""Where the package may be below a checkout's root: the root itself, or the monorepo's folder."""


def declares_package(pyproject: bytes) -> bool:
    """Whether this text of a `pyproject.toml` is that of openhands-sdk."""
    try:
        name = tomllib.loads(pyproject.decode())["project"]["name"]
        return canonicalize_name(name) == PACKAGE
    except (ValueError, KeyError, TypeError):
        return False
