"""Fits names of clients, and sentences with paths, into the cells of tables."""

import textwrap

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

from race_harness.story.shortening import shortened

_LEAST = 12
"""Characters that a name needs at least."""


class ClientName:
    """A client and, below it, its version if that is not its name.

    A long path is shortened in the middle, as far as necessary. A name such as `reference:eager`
    is broken after its colon, since its end alone would not say whose it is.
    """

    def __init__(self, client: str, version: str) -> None:
        self._lines = [client] if client == version else [client, f"({version})"]

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        widest = max(map(cell_len, self._lines))
        return Measurement(min(_LEAST, widest), widest)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self._lines:
            for part in _parts(line, options.max_width):
                yield Text(shortened(part, options.max_width), overflow="fold")


def _parts(name: str, width: int) -> list[str]:
    kind, colon, rest = name.partition(":")
    if cell_len(name) <= width or not colon or "/" in name:
        return [name]
    return [f"{kind}:", *textwrap.wrap(rest, width)]


class Sentence:
    """Words in a cell; a path that is longer than the cell is shortened."""

    def __init__(self, text: str) -> None:
        self._words = text.split(" ")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        longest = max(map(cell_len, self._words))
        return Measurement(min(_LEAST, longest), cell_len(" ".join(self._words)))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        words = (shortened(word, options.max_width) for word in self._words)
        yield Text(" ".join(words), overflow="fold")
