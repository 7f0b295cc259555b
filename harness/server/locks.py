"""Locks that are had first come, first served, and that can be lent to others for a while."""

import asyncio
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

    async def __aenter__(self) -> None:
        await super().__aenter__()
        self._open_blocks += 1

    async def __aexit__(self, *_: object) -> None:
        self._open_blocks -= 1
        if self._open_blocks == 0:
            self._on_left()
        self._release()
