"""Locks that are had first come, first served, and that can be lent to others for a while."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class LendableLock:
    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._owner: asyncio.Task[object] | None = None

    async def __aenter__(self) -> None:
        await self._acquire()

    async def __aexit__(self, *_: object) -> None:
        self._release()

    def locked(self) -> bool:
        return self._lock.locked()

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[None]:
        """Give the lock away inside a block that holds it, and queue for it again."""
        self._release()
        try:
            yield
        finally:
            await self._acquire()

    async def _acquire(self) -> None:
        await self._lock.acquire()
        self._owner = asyncio.current_task()

    def _release(self) -> None:
        # A block that was cancelled before it got the lock back does not hold it.
        if self._owner is asyncio.current_task():
            self._owner = None
            self._lock.release()


_TURNS_TO_HANDLER = 8
"""Of the loop, at the least, for a request to come through uvicorn and the middlewares."""


class EventLoop(LendableLock):
    """Stands for the event loop of the real server, while something keeps it busy.

    Whoever is ready goes on in the order of becoming ready: publications, answers, a run between
    its awaits. What has arrived at a socket meanwhile is noticed only then, however long it has
    been there: a loop looks at its sockets when nothing is ready any more, and puts what it finds
    at the end (CPython's asyncio/base_events.py, `_run_once`).
    """

    def __init__(self) -> None:
        super().__init__()
        self._arriving: deque[asyncio.Future[None]] = deque()
        self._ready = 0

    async def turn(self) -> None:
        """Wait until the loop gets round to something that is ready."""
        if self.locked() or self._ready:
            async with self:
                pass

    async def arrive(self) -> None:
        """Wait until the loop gets round to something that has arrived at a socket."""
        while self.locked() or self._ready:
            noticed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._arriving.append(noticed)
            await noticed
            # Until its handler is reached, the loop goes round some more times.
            for _ in range(_TURNS_TO_HANDLER):
                await asyncio.sleep(0)

    async def _acquire(self) -> None:
        self._ready += 1
        try:
            await super()._acquire()
        finally:
            self._ready -= 1

    def _release(self) -> None:
        super()._release()
        if not self._ready:
            while self._arriving:
                noticed = self._arriving.popleft()
                if not noticed.done():
                    noticed.set_result(None)


class StateLock(LendableLock):
    """Stands for upstream's `FIFOLock` together with `ConversationState.__enter__/__exit__`.

    `on_left` is called, still under the lock, when no block under it is open any more: that is
    when the real state writes base_state.json (state.py, `__exit__`). A block that has lent the
    lock counts as open, since the real save depth stays up during
    `_released_state_lock_during_io` (local_conversation.py).
    """

    def __init__(self, on_left: Callable[[], None]) -> None:
        super().__init__()
        self._on_left = on_left
        self._open_blocks = 0

    @property
    def open(self) -> bool:
        """Whether a block under it is open."""
        return self._open_blocks > 0

    async def __aenter__(self) -> None:
        await super().__aenter__()
        self._open_blocks += 1

    async def __aexit__(self, *_: object) -> None:
        self._open_blocks -= 1
        if self._open_blocks == 0:
            self._on_left()
        self._release()
