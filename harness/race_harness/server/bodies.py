"""Reads the bodies of requests, and passes them on, for code that wraps an ASGI application."""

from starlette.types import Message, Receive


async def body_of(receive: Receive) -> bytes:
    """Return the whole body."""
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `Receive` that gives this body in one piece, and then whatever still comes."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
