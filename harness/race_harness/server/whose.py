"""Whom a request is from: the client, or somebody else whom the schedule lets act."""

from collections.abc import Iterable
from contextvars import ContextVar
from typing import Any, Final

from starlette.types import Scope

AGENT: Final = "somebody-else"
"""How others name themselves (RFC 9110, section 10.1.5), which no server heeds."""
MESSAGE: Final = "And look at this, please."
"""What they say."""

asks: ContextVar[bool] = ContextVar("asks", default=False)
"""Whether code runs on behalf of somebody else's request."""


def is_others(scope: Scope) -> bool:
    """Whether a request of HTTP is somebody else's."""
    return (b"user-agent", AGENT.encode()) in [(name, value) for name, value in scope["headers"]]


def mark(other: bool | None = None) -> dict[str, Any]:
    """What a happening says of that: nothing of the client's own. None: as the request goes."""
    return {"other": True} if (asks.get() if other is None else other) else {}


def mark_of_message(texts: Iterable[object]) -> dict[str, Any]:
    """The same of a message, which a thread appends that knows of no request."""
    return mark(MESSAGE in texts)
