"""Shortens long paths for people: leaves out parts in the middle, and breaks no word."""

from collections import Counter
from collections.abc import Iterable


def shortened(path: str, width: int) -> str:
    """The path in at most `width` characters: `~/src/…/sdk@main`, or the end of its last part.

    It leaves out whole parts, those in the middle first.
    """
    if len(path) <= width:
        return path
    parts = path.split("/")
    for kept in range(len(parts) - 1, 0, -1):
        # Prefer one part at the beginning to none; then as many at the end as fit.
        for head in [*range(1, kept), 0]:
            ends = ["/".join(parts[:head])] if head else []
            text = "/".join([*ends, "…", *parts[head - kept :]])
            if len(text) <= width:
                return text
    return f"…{parts[-1][-(width - 1) :]}"


def shortened_apart(paths: Iterable[str], width: int) -> dict[str, str]:
    """Each path in at most `width` characters, but whole where two would look the same."""
    short = {path: shortened(path, width) for path in paths}
    looks = Counter(short.values())
    return {path: text if looks[text] == 1 else path for path, text in short.items()}
