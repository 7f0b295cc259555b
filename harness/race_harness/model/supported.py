"""Checks that the harness can run here. Each entry point imports this first, so older versions of
Python must be able to parse it."""

import sys


def complaint() -> "str | None":
    """Return in one line why the harness does not run here; None if it does."""
    version = tuple(sys.version_info[:3])
    on_linux = sys.platform == "linux"
    if on_linux and version >= (3, 12):
        return None
    names = {"darwin": "macOS", "win32": "Windows", "linux": "Linux"}
    way_out = "use a newer Python" if on_linux else "use a container, or a machine, with Linux"
    return (
        "race-harness needs Linux and Python 3.12 or newer, and this is "
        f"{names.get(sys.platform, sys.platform)} with Python {'.'.join(map(str, version))}: "
        f"{way_out}"
    )
