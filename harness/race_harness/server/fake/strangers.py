"""Protects the fake server at `race serve`, where anybody may send anything to it.

A page in a browser can also send requests to loopback, by DNS rebinding even under its own name.
So a request for another host, or from another origin, is refused.
"""

import ipaddress
import json
from collections.abc import Callable
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MOST_BYTES: Final = 16 * 2**20
"""The most bytes of a request's body."""

_KINDS: Final[dict[str, type]] = {
    "conversation_id": str,
    "agent": dict,
    "workspace": dict,
    "max_iterations": int,
    "stuck_detection": bool,
    "content": list,
    "run": bool,
}
"""The types of fields in a body, if they are there and not null."""


class Refused(Exception):
    """A request that is refused: the status of the answer, and the reason."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Strangers:
    """Serves well-formed requests. Others get 403 or 400, and `tell` gets one line about them."""

    def __init__(self, app: ASGIApp, tell: Callable[[str], None]) -> None:
        self._app = app
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answered = False

        async def answer(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            check_from_here(scope)
            if scope["type"] == "http":
                receive = await _checked(receive)
            await self._app(scope, receive, answer)
        except Refused as refused:
            await self._refuse(scope, send, refused)
        except (Exception, RecursionError) as error:
            # Whatever went wrong, the request caused it.
            about = f"{type(error).__name__}: {error}"
            if answered:
                self._tell(f"broke off {_named(scope)}: {about}")
            else:
                await self._refuse(scope, send, Refused(400, about))

    async def _refuse(self, scope: Scope, send: Send, refused: Refused) -> None:
        self._tell(f"refused {_named(scope)}: {refused.status}, {refused}")
        if scope["type"] == "websocket":
            # The socket is not accepted yet, so uvicorn answers 403.
            await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
            return
        body = json.dumps({"detail": str(refused)}).encode()
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        start = {"type": "http.response.start", "status": refused.status, "headers": headers}
        await send(start)
        await send({"type": "http.response.body", "body": body})


def check_from_here(scope: Scope) -> None:
    """Raises Refused if Host or Origin is not loopback."""
    headers = [(name.lower(), value.decode("latin-1")) for name, value in scope["headers"]]
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) != 1 or not _is_loopback(f"//{hosts[0]}"):
        raise Refused(403, f"Host is not loopback: {', '.join(hosts)!r:.80}")
    for name, value in headers:
        if name == b"origin" and not _is_loopback(value):
            raise Refused(403, f"Origin is not loopback: {value!r:.80}")


def _is_loopback(address: str) -> bool:
    try:
        host = urlsplit(address).hostname
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


async def _checked(receive: Receive) -> Receive:
    """Read the body, and return a `Receive` that gives it again. Raises Refused."""
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _MOST_BYTES:
            raise Refused(400, f"the body has more than {_MOST_BYTES >> 20} MB")
    if body:
        _check(body)
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _check(body: bytes) -> None:
    """Raises Refused if the body is no JSON object, or a field has a wrong type."""
    try:
        found = json.loads(body, parse_constant=_no_number)
        # This refuses what is no text, such as half a surrogate pair, and too deep nesting.
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Refused(400, f"the body is no JSON: {error!s:.200}") from None
    if not isinstance(found, dict):
        raise Refused(400, "the body is no JSON object")
    for name, kind in _KINDS.items():
        value: Any = found.get(name)
        if value is not None and (type(value) is not kind):
            raise Refused(400, f"{name} is no {kind.__name__}")
    if not all(isinstance(part, dict) for part in found.get("content") or ()):
        raise Refused(400, "content is no list of objects")


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number")


def _named(scope: Scope) -> str:
    """Return the request's method and path as printable text."""
    return f"{scope.get('method', 'WebSocket')} {ascii(scope['path'])[1:-1]:.200}"
