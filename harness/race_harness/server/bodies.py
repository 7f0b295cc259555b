"""Bodies of requests, for what stands before an ASGI application."""

from starlette.types import Message, Receive


async def body_of(receive: Receive) -> bytes:
    """The whole of it."""
    body = b""
    while True:
        message = await receive()
        body += bytes(message.get("body", b""))
        if not message.get("more_body"):
            return body


def replayed(body: bytes, receive: Receive) -> Receive:
    """As if this body came, in one piece; after it, whatever still comes."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
