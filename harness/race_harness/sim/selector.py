"""The selector of event loops in a trial, straight on the endpoints, which is faster than `epoll`.

It stands in for `selectors.DefaultSelector`, which asyncio's own loop takes.
"""

import select
import selectors
import sys
from abc import ABCMeta
from math import ceil
from typing import Any, Final

from race_harness.sim import descriptors
from race_harness.sim.children import RealEnd
from race_harness.sim.descriptors import number_of
from race_harness.sim.endpoint import Endpoint
from race_harness.sim.kernel import SECOND
from race_harness.sim.strands import Strand

_READ: Final = selectors.EVENT_READ
_WRITE: Final = selectors.EVENT_WRITE

RealDefault = selectors.DefaultSelector


class _Watch:
    """What a selector knows of one descriptor."""

    __slots__ = ("_endpoint", "_selector", "key", "noted")

    def __init__(
        self, selector: "SimSelector", endpoint: Endpoint | RealEnd, key: selectors.SelectorKey
    ) -> None:
        self.key = key
        self.noted = False
        """Whether the selector checks it at the next call."""
        self._selector = selector
        self._endpoint = endpoint
        endpoint.watches.append(self)

    def events(self) -> int:
        wanted = self.key.events
        found = _READ if wanted & _READ and self._endpoint.readable() else 0
        if wanted & _WRITE and self._endpoint.writable():
            found |= _WRITE
        return found

    def leave(self) -> None:
        self._endpoint.watches.remove(self)

    # -- what its endpoint calls (sim.endpoint.Watch) ----------------------------------------

    def mask(self) -> int:
        wanted = self.key.events
        return (select.POLLIN if wanted & _READ else 0) | (
            select.POLLOUT if wanted & _WRITE else 0
        )

    def changed(self) -> None:
        self._selector.note(self)

    def closed(self) -> None:
        self._selector.forget(self)


class SimSelector(selectors._BaseSelectorImpl):
    """Events come in the order in which the descriptors became ready, as those of epoll do."""

    def __init__(self) -> None:
        super().__init__()
        here = descriptors.current
        assert here is not None
        self._here = here
        self._watches: dict[int, _Watch] = {}
        self._noted: list[_Watch] = []
        """Watches that were ready, or may have become so, in that order."""
        self._waiting: Strand | None = None
        self._awake = False

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        endpoint = self._here.watched(number_of(fileobj))
        key: selectors.SelectorKey = super().register(fileobj, events, data)
        watch = self._watches[key.fd] = _Watch(self, endpoint, key)
        watch.changed()
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        key: selectors.SelectorKey = super().unregister(fileobj)
        watch = self._watches.pop(key.fd, None)
        if watch is not None:
            watch.leave()
            self._drop(watch)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        number = number_of(fileobj)
        if number not in self._watches:
            raise KeyError(f"{fileobj!r} is not registered")
        watch = self._watches[number]
        watch.key = watch.key._replace(events=events, data=data)
        self._fd_to_key[number] = watch.key  # type: ignore[attr-defined]
        watch.changed()
        return watch.key

    def wake(self) -> None:
        """End the current wait, or the next one."""
        self._awake = True
        if self._waiting is not None:
            self._here.kernel.wake(self._waiting)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        try:
            at_once = self._awake or (timeout is not None and timeout <= 0)
            if at_once or (self._noted and self._ready()):
                self._here.kernel.pause(self)
            else:
                self._wait(timeout)
        except BaseException:
            _excuse_tasks()
            raise
        self._awake = False
        return self._ready() if self._noted else []

    def _wait(self, timeout: float | None) -> None:
        kernel = self._here.kernel
        deadline_ns = None
        if timeout is not None:
            deadline_ns = kernel.own_ns() + max(1, ceil(timeout * SECOND))
        self._waiting = kernel.strand_of_caller()
        try:
            while kernel.block("event loop", deadline_ns, self):
                # The event that woke it may be gone again.
                if self._awake or self._ready():
                    return
        finally:
            self._waiting = None

    def close(self) -> None:
        for watch in self._watches.values():
            watch.leave()
        self._watches.clear()
        self._noted.clear()
        super().close()

    # -- what its watches call ---------------------------------------------------------------

    def note(self, watch: _Watch) -> None:
        if not watch.noted:
            watch.noted = True
            self._noted.append(watch)
        waiting = self._waiting
        if waiting is not None and not waiting.woken and watch.events():
            self._here.kernel.wake(waiting)

    def forget(self, watch: _Watch) -> None:
        del self._watches[watch.key.fd]
        self._drop(watch)

    # -- inside ------------------------------------------------------------------------------

    def _ready(self) -> list[tuple[selectors.SelectorKey, int]]:
        ready, still = [], []
        for watch in self._noted:
            events = watch.events()
            if events:
                ready.append((watch.key, events))
                still.append(watch)
            else:
                watch.noted = False
        self._noted = still
        return ready

    def _drop(self, watch: _Watch) -> None:
        if watch.noted:
            watch.noted = False
            self._noted.remove(watch)


def _excuse_tasks() -> None:
    """Keep the tasks of a loop whose thread was killed from complaining at their collection."""
    asyncio = sys.modules.get("asyncio")
    loop = asyncio._get_running_loop() if asyncio is not None else None
    if asyncio is not None and loop is not None:
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False


class _Default(ABCMeta):
    """Makes the simulated or the real one; both pass for a `DefaultSelector`."""

    def __call__(cls, *args: Any, **options: Any) -> Any:
        if cls is not DefaultSelector:
            return super().__call__(*args, **options)
        return (RealDefault if descriptors.current is None else SimSelector)(*args, **options)

    def __instancecheck__(cls, instance: object) -> bool:
        if cls is not DefaultSelector:
            return super().__instancecheck__(instance)
        return isinstance(instance, RealDefault | SimSelector)


class DefaultSelector(RealDefault, metaclass=_Default):
    """Takes the place of the class `selectors.DefaultSelector`. A class that is derived from it
    waits by epoll, which works inside and outside of trials."""
