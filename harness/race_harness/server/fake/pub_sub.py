"""Publishes events: turns each into a frame for every subscriber, late as the schedule says."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from race_harness.network import whose
from race_harness.server.fake.context import Context
from race_harness.server.wire import FINAL, Event, encode


class Socket(Protocol):
    """The part of Starlette's WebSocket that this module needs."""

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
    """Set when it was sent to all but the slow other subscriber."""
    done: asyncio.Future[None]
    tell: Callable[[], None] | None = None
    """For a snapshot: called when its turn has come."""


class PubSub:
    """Publishes events first in, first out.

    In the real server a publication is a coroutine that the event loop runs some time after it was
    scheduled (async_utils.py, `AsyncCallbackWrapper`); a busy loop and slow subscribers make it
    late. All of them queue on one loop, so none overtakes another, unless one waits for a full
    socket buffer: the schedule says when the frame of a final status overtakes others that way.
    """

    def __init__(self, context: Context) -> None:
        self._context = context
        self._queue: deque[_Publication] = deque()
        # Both are in the order of scheduling.
        self._unsent: dict[asyncio.Future[None], None] = {}
        self._pending: dict[asyncio.Future[None], None] = {}
        self._publisher: asyncio.Task[None] | None = None
        self._subscribers: list[Subscriber] = []

    def subscribe(self, socket: Socket, peer: int) -> Subscriber:
        """Raises TooManySubscribersError."""
        limit = self._context.profile.max_subscribers
        if limit is not None and len(self._subscribers) >= limit:
            raise TooManySubscribersError
        subscriber = Subscriber(socket, peer)
        self._subscribers.append(subscriber)
        self._context.trace.record("socket", "subscribed", peer=peer, **whose.mark())
        return subscriber

    def unsubscribe(self, subscriber: Subscriber) -> None:
        if subscriber in self._subscribers:
            self._subscribers.remove(subscriber)

    def clear(self) -> None:
        """Forget all subscribers; their sockets stay open (pub_sub.py, `close`)."""
        self._subscribers.clear()

    def schedule(self, event: Event) -> None:
        """Publish after the schedule's lag, and after everything scheduled before it."""
        self._context.trace.record("server", "publication", event=event["id"])
        loop = asyncio.get_running_loop()
        timing = self._context.timing
        late_ms = self._context.late_ms("publication")
        due = loop.time() + (timing.publish_ms + late_ms) / 1000
        place = len(self._queue)
        if event.get("key") == "execution_status" and event["value"] in FINAL:
            place = max(0, place - timing.status_overtakes)
        if place < len(self._queue):
            due = self._queue[place].due
        publication = _Publication(event, due, loop.create_future(), loop.create_future())
        self._pending[publication.done] = None
        self._enqueue(publication, place)

    def stream(self, event: Event) -> None:
        """Publish without the lag that events of the log have; nobody waits for it
        (event_service.py, `_publish_stream_delta`)."""
        loop = asyncio.get_running_loop()
        publication = _Publication(event, loop.time(), loop.create_future(), loop.create_future())
        self._enqueue(publication, len(self._queue))

    def unsent(self) -> Set[asyncio.Future[None]]:
        """Return the frames that are scheduled now."""
        return set(self._unsent)

    async def publish_after(
        self, ahead: Set[asyncio.Future[None]], event: Event, tell: Callable[[], None]
    ) -> None:
        """Publish a snapshot after earlier snapshots and after the frames `ahead`, but before what
        was scheduled since, and wait for it."""
        loop = asyncio.get_running_loop()
        publication = _Publication(
            *(event, loop.time(), loop.create_future(), loop.create_future(), tell)
        )
        before = [at for at, one in enumerate(self._queue, 1) if one.tell or one.sent in ahead]
        self._enqueue(publication, max(before, default=0))
        # If the caller is cancelled while it waits, the frame still goes out.
        await asyncio.wait({publication.done})

    def _enqueue(self, publication: _Publication, place: int) -> None:
        self._queue.insert(place, publication)
        self._unsent[publication.sent] = None
        if self._publisher is None:
            self._publisher = self._context.spawn(self._drain(), "publisher")

    def busy(self) -> bool:
        """Whether frames that were scheduled have not been sent yet."""
        return bool(self._queue)

    async def wait_for_pending(self, seconds_each: float | None = None) -> None:
        """Wait for what is scheduled now, for each in turn at most `seconds_each` (async_utils.py,
        `wait_for_pending`)."""
        for done in list(self._pending):
            await asyncio.wait({done}, timeout=seconds_each)

    async def wait_for_frames(self) -> None:
        """Wait until the event loop has sent the frames that are scheduled now."""
        for sent in list(self._unsent):
            await asyncio.wait({sent})

    @property
    def _in_turn(self) -> bool:
        """Whether the server serves the other subscriber before ours, and awaits it."""
        return self._context.timing.other_subscriber_first and self._context.profile.serves_in_turn

    async def turn(self) -> Sequence[Subscriber] | None:
        """Wait until the other subscriber has a frame, if ours has to wait for that.

        Returns the subscribers to serve then, which are those from before the wait (pub_sub.py,
        `__call__`, goes through a copy). None: those at the time at which the frame is sent.
        """
        if not self._in_turn:
            return None
        there = list(self._subscribers)
        await self._context.wait(self._context.timing.other_subscriber_ms)
        return there

    async def wait_for_other(self) -> None:
        """Wait until the other subscriber has the frame as well."""
        if not self._in_turn:
            await self._context.wait(self._context.timing.other_subscriber_ms)

    async def broadcast(self, event: Event, turn: Sequence[Subscriber] | None = None) -> None:
        """Send to every subscriber now, or only to those in `turn`. One that fails does not
        disturb the others (pub_sub.py, `__call__`)."""
        await self._context.loop_turn()
        await self._send_to_all(event, turn)

    async def _send_to_all(self, event: Event, turn: Sequence[Subscriber] | None) -> None:
        for subscriber in list(self._subscribers if turn is None else turn):
            await self.send(subscriber, event)

    async def send(self, subscriber: Subscriber, event: Event) -> None:
        # As broad as upstream's: any failure concerns only this subscriber.
        with suppress(Exception):
            await subscriber.socket.send_text(encode(event))

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        ready: set[asyncio.Future[None]] = set()
        while self._queue:
            late = self._queue[0].due - loop.time()
            if late > 0:
                await asyncio.sleep(late)
            turn = await self.turn()
            together = turn is None and self._queue[0].sent in ready
            if not together:
                await self._context.loop_turn()
            # Another publication may have overtaken the first meanwhile.
            publication = self._queue.popleft()
            if publication.tell is not None:
                publication.tell()
            if not together:
                # Serving the subscribers is a turn of its own, as for snapshots.
                await self._context.loop_turn()
                # What is ready by now goes out at once, before whatever becomes ready later.
                ready = {each.sent for each in self._queue if each.due <= loop.time()}
            await self._send_to_all(publication.event, turn)
            publication.sent.set_result(None)
            del self._unsent[publication.sent]
            more_s = 0.0 if self._in_turn else self._context.timing.other_subscriber_ms / 1000
            if more_s:
                loop.call_later(more_s, self._done, publication.done)
            else:
                self._done(publication.done)
        self._publisher = None

    def _done(self, done: asyncio.Future[None]) -> None:
        done.set_result(None)
        self._pending.pop(done, None)
