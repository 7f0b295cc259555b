"""A hook of mkdocs: links from a page to the code.

On GitHub they lead to the file. The site has no such file, so there they become its name; one to a
file that is not there ends a strict build.
"""

import logging
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]

_LINK: Final = re.compile(r"\[([^\]]+)\]\(((?:\.\./)+[^)#\s]+)\)")

_log: Final = logging.getLogger("mkdocs.hooks.site_links")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """The page without links that leave the folder of the docs."""
    folder = PurePosixPath("docs", page.file.src_uri).parent

    def without(link: re.Match[str]) -> str:
        target = os.path.normpath(folder / link[2])
        if target.startswith("docs/"):
            return link[0]
        if not (ROOT / target).exists():
            _log.warning("%s: there is no %s", page.file.src_uri, target)
        return f"{link[1]} (`{target}`)"

    return _LINK.sub(without, markdown)
