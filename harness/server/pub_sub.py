"""From an event to the frames that every subscriber gets."""

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import Any, Protocol

from harness.server.context import Context
from harness.server.wire import FULL_STATE, Event, encode


class Socket(Protocol):
    """What is needed of Starlette's WebSocket."""

    async def send_text(self, data: str) -> None: ...


class TooManySubscribersError(Exception):
    """The release allows no more subscribers of one conversation."""


@dataclass(frozen=True, eq=False, slots=True)
class Subscriber:
    socket: Socket
    peer: int
    """The client's port number."""


@dataclass(frozen=True, slots=True)
class _Publication:
    event: Event
    due: float
    sent: asyncio.Future[None]


class PubSub:
    """First in, first out.

    In the real server a publication is a coroutine that the event loop gets round to some time
    after it was scheduled (async_utils.py, `AsyncCallbackWrapper`): a busy loop and slow
    subscribers make it late. All of them queue on one loop, so none overtakes another.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._queue: deque[_Publication] = deque()
        self._subscribers: list[Subscriber] = []

    def subscribe(self, socket: Socket, peer: int) -> Subscriber:
        """Raises TooManySubscribersError."""
        limit = self._context.profile.max_subscribers
        if limit is not None and len(self._subscribers) >= limit:
            raise TooManySubscribersError
        subscriber = Subscriber(socket, peer)
        self._subscribers.append(subscriber)
        self._context.trace.record("socket", "subscribed", peer=peer)
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        if subscriber in self._subscribers:
            self._subscribers.remove(subscriber)

    def clear(self) -> None:
        """Forget all subscribers; their sockets stay open (pub_sub.py, `close`)."""
        self._subscribers.clear()

    def schedule(self, event: Event) -> None:
        """Publish after the schedule's lag, and after everything scheduled before."""
        self._context.trace.record("server", "publication", event=event["id"])
        loop = asyncio.get_running_loop()
        due = loop.time() + self._context.timing.publish_ms / 1000
        self._queue.append(_Publication(event, due, loop.create_future()))
        if len(self._queue) == 1:
            self._context.spawn(self._drain(), "publisher")

    async def wait_for_pending(self, seconds_each: float | None = None) -> None:
        """Wait for what is scheduled now, at most so long for each in turn (async_utils.py,
        `wait_for_pending`)."""
        for publication in list(self._queue):
            await asyncio.wait({publication.sent}, timeout=seconds_each)

    async def broadcast(self, event: Event) -> None:
        """Send to every subscriber now. One that fails is skipped: it does not disturb the
        others (pub_sub.py, `__call__`)."""
        await self._context.loop_turn()
        for subscriber in list(self._subscribers):
            await self.send(subscriber, event)

    async def send(self, subscriber: Subscriber, event: Event) -> None:
        try:
            await subscriber.socket.send_text(encode(event))
        except Exception:  # As broad as upstream's: any failure is the subscriber's own.
            return
        self._context.trace.record("socket", "frame-sent", **describe(event), peer=subscriber.peer)

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue:
            publication = self._queue[0]
            late = publication.due - loop.time()
            if late > 0:
                await asyncio.sleep(late)
            await self.broadcast(publication.event)
            self._queue.popleft()
            publication.sent.set_result(None)


def describe(event: Event) -> dict[str, Any]:
    """What a happening says of an event: `event`, `kind`, of a tool's event its `tool_name` and,
    of a state update, its `key` and `value` (of a full state, only the status)."""
    told = {"event": event["id"], "kind": event["kind"]}
    if "tool_name" in event:
        told["tool_name"] = event["tool_name"]
    if "key" in event:
        full = event["key"] == FULL_STATE
        told["key"] = event["key"]
        told["value"] = event["value"]["execution_status"] if full else event["value"]
    return told
