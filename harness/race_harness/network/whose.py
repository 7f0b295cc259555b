"""Whom a request is from: the client, or somebody else, who comes by another port."""

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any, Final

MESSAGE: Final = "And look at this, please."
"""What others say."""

asks: ContextVar[bool] = ContextVar("asks", default=False)
"""Whether code runs on behalf of somebody else's request."""


def mark(other: bool | None = None) -> dict[str, Any]:
    """What a happening says of that: nothing of the client's own. None: as the request goes."""
    return {"other": True} if (asks.get() if other is None else other) else {}


def mark_of_message(texts: Iterable[object]) -> dict[str, Any]:
    """The same of a message, which a thread appends that knows of no request."""
    return mark(MESSAGE in texts)
