"""The fields of answers and frames, their types, and which of them clients read.

A *shape* is a set of `(path, type)`: `("items[ActionEvent].id", "string")`, `("value.stats{}",
"object")`. It merges the items of a list (events by their kind), and the values of an object whose
keys are data.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from race_harness.server.wire import route_name

Shape = frozenset[tuple[str, str]]

_NAMED_BY_DATA = frozenset(
    {"usage_to_metrics", "secret_sources", "blocked_actions", "blocked_messages", "tags"}
)

READS: Final[Mapping[str, tuple[str, ...]]] = {
    # remote_conversation.py, `RemoteConversation.__init__`, `create` and `attach`
    "POST conversations 201": ("id", "agent.kind", "max_iterations"),
    "POST conversations 200": ("id", "agent.kind", "max_iterations"),
    # `_poll_status_once`, `RemoteState.execution_status`; attaching to a known conversation
    "GET conversation 200": ("id", "execution_status", "agent.kind", "max_iterations"),
    # `RemoteEventsList._do_full_sync` and `reconcile`; every item is parsed strictly
    "GET events/search 200": ("items*.**", "next_page_id"),
    # They only check the status code: `run`, `send_message`, `pause`, `interrupt`.
    "POST run 200": (),
    "POST events 200": (),
    # `WebSocketCallbackClient._client_loop` parses every frame strictly; the run's own callback
    # looks at the key, the value and the value's status (`run_complete_callback`).
    "frame *": ("**",),
}
"""The paths that released clients read, by route and status or by kind of frame; `**` is all."""

NOT_READ_OF_FRAMES: Final = ("value.*", "items*.value.*")
"""Fields of a full state, which clients only pass on to users, except for the status."""


@dataclass
class Bodies:
    """The shapes of what a server sent, by route and status or by kind of frame."""

    shapes: dict[str, list[Shape]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, body: object) -> None:
        self.shapes[name].append(shape(body))

    def to_dict(self) -> dict[str, list[list[list[str]]]]:
        """Return the JSON form: each shape is a sorted list of `[path, type]`."""
        return {
            name: [[list(pair) for pair in sorted(one)] for one in shapes]
            for name, shapes in self.shapes.items()
        }

    @staticmethod
    def from_dict(data: Mapping[str, Iterable[Iterable[tuple[str, str]]]]) -> "Bodies":
        bodies = Bodies()
        for name, shapes in data.items():
            bodies.shapes[name] = [frozenset((path, kind) for path, kind in one) for one in shapes]
        return bodies

    def merged(self, name: str) -> dict[str, set[str]]:
        """Return the types of each path."""
        types: dict[str, set[str]] = defaultdict(set)
        for one in self.shapes.get(name, []):
            for path, kind in one:
                types[path].add(kind)
        return dict(types)


class Capture:
    """Wraps an ASGI application, fake or real, and captures every JSON body that it sends."""

    def __init__(self, app: ASGIApp, bodies: Bodies) -> None:
        self._app = app
        self._bodies = bodies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, body = 0, b""

        async def seen(message: Message) -> None:
            nonlocal status, body
            match message["type"]:
                case "http.response.start":
                    status = message["status"]
                case "http.response.body":
                    body += message.get("body", b"")
                    if not message.get("more_body"):
                        route = route_name(scope["method"], scope["path"])
                        self._note(f"{route} {status}", body)
                case "websocket.send" if message.get("text"):
                    self._note(None, message["text"].encode())
            await send(message)

        await self._app(scope, receive, seen)

    def _note(self, name: str | None, body: bytes) -> None:
        try:
            told = json.loads(body)
        except ValueError:
            return  # The body is empty, or cut off.
        self._bodies.add(name or frame_name(told), told)


def frame_name(event: Mapping[str, object]) -> str:
    """Return a name such as `frame ActionEvent`, `frame execution_status`, `frame full_state`."""
    return f"frame {event.get('key') or event.get('kind')}"


def shape(body: object) -> Shape:
    return frozenset(_walk(body, ""))


def is_read(name: str, path: str) -> bool:
    """Whether a released client reads that field."""
    if path.endswith("value.execution_status"):
        return True
    if any(fnmatchcase(path, pattern) for pattern in _escaped(NOT_READ_OF_FRAMES)):
        return False
    for pattern, paths in READS.items():
        if fnmatchcase(name, pattern):
            return any(fnmatchcase(path, wanted) for wanted in _escaped(paths))
    return False


def _escaped(patterns: Iterable[str]) -> Iterator[str]:
    """Make `[]` match itself."""
    return (pattern.replace("[]", "[[]]") for pattern in patterns)


def _walk(value: object, path: str) -> Iterator[tuple[str, str]]:
    match value:
        case dict():
            if path:
                yield path, "object"
            for name, one in value.items():
                by_data = path.rpartition(".")[2] in _NAMED_BY_DATA
                yield from _walk(one, f"{path}{{}}" if by_data else f"{path}.{name}".lstrip("."))
        case list():
            yield path, "array"
            for one in value:
                kind = one.get("kind", "") if path == "items" and isinstance(one, dict) else ""
                yield from _walk(one, f"{path}[{kind}]")
        case bool():
            yield path, "boolean"
        case int() | float():
            yield path, "number"
        case None:
            yield path, "null"
        case _:
            yield path, "string"
