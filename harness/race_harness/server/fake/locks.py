"""Locks that serve whoever came first, and that their holder can lend to others for a while."""

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
        """Inside a block that holds the lock, give it away, and queue for it again afterwards."""
        self._release()
        try:
            yield
        finally:
            await self._acquire()

    async def _acquire(self) -> None:
        await self._lock.acquire()
        self._owner = asyncio.current_task()

    def _release(self) -> None:
        # A block that is cancelled before it gets the lock back does not hold it.
        if self._owner is asyncio.current_task():
            self._owner = None
            self._lock.release()


_TURNS_TO_HANDLER = 8
"""The least number of turns of the loop that a request needs to pass uvicorn and the
middlewares."""


class EventLoop(LendableLock):
    """Models the real server's event loop while something keeps it busy.

    Whatever is ready runs in the order of becoming ready: publications, answers, a run between its
    awaits. Only then does the loop notice what has arrived at a socket, however long ago: a loop
    looks at its sockets when nothing is ready any more, and puts what it finds at the end
    (CPython's asyncio/base_events.py, `_run_once`).
    """

    def __init__(self) -> None:
        super().__init__()
        self._arriving: deque[asyncio.Future[None]] = deque()
        self._ready = 0

    async def turn(self) -> None:
        """Wait until the loop runs something that is ready."""
        if self.locked() or self._ready:
            async with self:
                pass

    async def arrive(self) -> None:
        """Wait until the loop handles something that has arrived at a socket."""
        while self.locked() or self._ready:
            noticed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._arriving.append(noticed)
            await noticed
            # The loop takes some more turns before it reaches the handler.
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
    """Models upstream's `FIFOLock` together with `ConversationState.__enter__/__exit__`.

    It calls `on_left`, still under the lock, when the last open block ends: that is when the real
    state writes base_state.json (state.py, `__exit__`). A block that has lent the lock counts as
    open, since the real save depth stays up during `_released_state_lock_during_io`
    (local_conversation.py). If `on_left` raises, that ends the block, and the lock is free all the
    same.
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
        try:
            if self._open_blocks == 0:
                self._on_left()
        finally:
            self._release()
