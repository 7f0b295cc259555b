"""Names of clients in tables, which make the best of the room they get."""

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

_LEAST = 12
"""Characters that a name asks for at least."""


class ClientName:
    """A client and, below it, its version if that is not its name.

    A long path is shortened in the middle, as much as it has to be.
    """

    def __init__(self, client: str, version: str) -> None:
        self._lines = [client] if client == version else [client, f"({version})"]

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        widest = max(map(cell_len, self._lines))
        return Measurement(min(_LEAST, widest), widest)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in self._lines:
            yield Text(shortened(line, options.max_width), overflow="fold")


def shortened(path: str, width: int) -> str:
    """The path in so many characters: `~/src/…/sdk@main`, or at least the end of its last part.

    Parts are left out whole, those in the middle first.
    """
    if len(path) <= width:
        return path
    parts = path.split("/")
    for kept in range(len(parts) - 1, 0, -1):
        # Rather with one part at the beginning than with none, and then as many at the end as fit.
        for head in [*range(1, kept), 0]:
            ends = ["/".join(parts[:head])] if head else []
            text = "/".join([*ends, "…", *parts[head - kept :]])
            if len(text) <= width:
                return text
    return f"…{parts[-1][-(width - 1) :]}"
