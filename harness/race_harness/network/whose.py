"""Who sent a request: the client, or another user, who connects to another port."""

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any, Final

MESSAGE: Final = "And look at this, please."
"""The message that other users send."""

asks: ContextVar[bool] = ContextVar("asks", default=False)
"""Whether the running code serves another user's request."""


def mark(other: bool | None = None) -> dict[str, Any]:
    """The fields of a happening for this; none for the client. None: as the current request."""
    return {"other": True} if (asks.get() if other is None else other) else {}


def mark_of_message(texts: Iterable[object]) -> dict[str, Any]:
    """The same for a message; the thread that appends it does not know the request."""
    return mark(MESSAGE in texts)
