"""Makes file names from other names, such as those of scenarios, tests and releases.

Such a name may come from somebody else's file. Whatever it is, the result is one plain name: it
leads into no other folder, is not hidden, and is short enough for any file system.
"""

import re
from typing import Final

LONGEST: Final = 200
"""Bytes. File systems allow 255, and a file has a longer name while it is being written."""
_OF_A_PART: Final = 120
"""Bytes that one part may take, so that there is room for the parts after it."""


def file_name(*parts: str, ending: str = "") -> str:
    """Return the parts, joined by hyphens, and the ending, such as `.json`."""
    name = "-".join(_plain(part, _OF_A_PART) for part in parts)
    if not name or name.startswith("."):
        name = f"_{name[1:]}"
    return _cut(name, LONGEST - len(ending)) + ending


def _plain(part: str, most: int) -> str:
    return _cut(re.sub(r"[^\w.+-]", "_", part), most)


def _cut(text: str, most: int) -> str:
    return text.encode(errors="replace")[:most].decode(errors="ignore")
