"""`select`, `poll` and `epoll` in a trial: waits for several sockets at once, on the kernel.

They report events in the order of registration, which is the same in each trial.
"""

import errno
import select
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Final

from race_harness.sim import descriptors
from race_harness.sim.children import RealEnd
from race_harness.sim.descriptors import FIRST, Descriptors, either, error, number_of
from race_harness.sim.endpoint import Endpoint
from race_harness.sim.strands import Strand

_ALWAYS: Final = select.POLLERR | select.POLLHUP | select.POLLNVAL
"""Reported whether or not the caller asked for them."""
_READ: Final = select.POLLIN | select.POLLHUP | select.POLLERR
_WRITE: Final = select.POLLOUT | select.POLLERR

Events = list[tuple[int, int]]

real_epoll, real_poll, real_select = select.epoll, select.poll, select.select


def _here() -> Descriptors:
    here = descriptors.current
    if here is None:
        raise RuntimeError("what waits for sockets of a trial has outlived it")
    return here


def wait(masks: dict[int, int], timeout_s: float | None) -> Events:
    """Wait until one of the descriptors has one of its events; None waits for ever."""
    here = _here()
    kernel = here.kernel
    kernel.pause(here)
    ready = _look(here, masks)
    if ready or timeout_s == 0:
        return ready
    deadline_ns = None if timeout_s is None else kernel.after(timeout_s)
    me = kernel.strand_of_caller()
    watched = [here.watched(number) for number in masks]
    for endpoint in watched:
        endpoint.waiting.append(me)
    try:
        while True:
            woken = kernel.block("poll", deadline_ns, here)
            ready = _look(here, masks)
            if ready or not woken:
                return ready
    finally:
        for endpoint in watched:
            endpoint.waiting.remove(me)


def _look(here: Descriptors, masks: dict[int, int]) -> Events:
    found = []
    for number, mask in masks.items():
        endpoint = here.get(number)
        if endpoint is None and number < FIRST:
            raise here.refused(number)
        events = select.POLLNVAL if endpoint is None else endpoint.events() & (mask | _ALWAYS)
        if events:
            found.append((number, events))
    return found


def sim_select(
    readers: Iterable[Any], writers: Iterable[Any], others: Iterable[Any], timeout: Any = None
) -> tuple[list[Any], list[Any], list[Any]]:
    """Stands in for `select.select`; raises as it does."""
    wanted = [[(what, number_of(what)) for what in each] for each in (readers, writers, others)]
    masks: dict[int, int] = {}
    for each, mask in zip(wanted, (select.POLLIN, select.POLLOUT, select.POLLPRI), strict=True):
        for _, number in each:
            masks[number] = masks.get(number, 0) | mask
    if timeout is not None and timeout < 0:
        raise ValueError("timeout must be non-negative")
    ready = dict(wait(masks, timeout))
    if any(events & select.POLLNVAL for events in ready.values()):
        raise error(errno.EBADF)
    reading, writing, _ = wanted
    return (
        [what for what, number in reading if ready.get(number, 0) & _READ],
        [what for what, number in writing if ready.get(number, 0) & _WRITE],
        [],
    )


class SimPoll:
    """Stands in for what `select.poll()` gives; its timeouts are milliseconds."""

    def __init__(self) -> None:
        self._masks: dict[int, int] = {}
        self._has_looked = False

    def register(
        self, fd: Any, eventmask: int = select.POLLIN | select.POLLPRI | select.POLLOUT
    ) -> None:
        self._masks[number_of(fd)] = eventmask

    def modify(self, fd: Any, eventmask: int) -> None:
        if number_of(fd) not in self._masks:
            raise error(errno.ENOENT)
        self._masks[number_of(fd)] = eventmask

    def unregister(self, fd: Any) -> None:
        """Raises KeyError: it is not registered."""
        del self._masks[number_of(fd)]

    def poll(self, timeout: float | None = None) -> Events:
        # One look is no scheduling point: httpcore takes one at each request. A caller who looks
        # again and again is waiting for other threads.
        if timeout == 0 and not self._has_looked:
            self._has_looked = True
            return _look(_here(), self._masks)
        return wait(self._masks, None if timeout is None or timeout < 0 else timeout / 1_000)


class _EpollEntry:
    """What an `epoll` knows of one descriptor."""

    __slots__ = ("_armed", "_epoll", "_mask", "_number", "_seen", "endpoint")

    def __init__(
        self, epoll: "SimEpoll", number: int, endpoint: Endpoint | RealEnd, mask: int
    ) -> None:
        self.endpoint = endpoint
        self._epoll = epoll
        self._number = number
        self.ask(mask)

    def ask(self, mask: int) -> None:
        self._mask = mask
        self._seen = -1
        """The edge that was reported last."""
        self._armed = True

    def events(self) -> int:
        if not self._armed:
            return 0
        found = self.endpoint.events() & (self._mask | _ALWAYS)
        if self._mask & select.EPOLLET and self._seen == self.endpoint.edge:
            return 0
        return found

    def told(self) -> None:
        self._seen = self.endpoint.edge
        if self._mask & select.EPOLLONESHOT:
            self._armed = False

    # -- what its endpoint calls (sim.endpoint.Watch) ----------------------------------------

    def mask(self) -> int:
        return self._mask & (_READ | _WRITE) if self._armed else 0

    def changed(self) -> None:
        if self.events():
            self._epoll.wake()

    def closed(self) -> None:
        self._epoll.forget(self._number)


class SimEpoll:
    """Stands in for `select.epoll` (epoll(7)); its timeouts are seconds."""

    def __init__(self, sizehint: int = -1, flags: int = 0) -> None:
        self._here = _here()
        self._number = self._here.number()
        self._entries: dict[int, _EpollEntry] = {}
        self._waiting: Strand | None = None
        self.closed = False

    def fileno(self) -> int:
        self._assert_open()
        return self._number

    def close(self) -> None:
        self.closed = True
        for entry in self._entries.values():
            entry.endpoint.watches.remove(entry)
        self._entries.clear()

    def __enter__(self) -> "SimEpoll":
        self._assert_open()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc: BaseException | None = None,
        tb: TracebackType | None = None,
    ) -> None:
        self.close()

    def register(
        self, fd: Any, eventmask: int = select.EPOLLIN | select.EPOLLPRI | select.EPOLLOUT
    ) -> None:
        self._assert_open()
        number = number_of(fd)
        if number in self._entries:
            raise error(errno.EEXIST)
        endpoint = self._here.watched(number)
        entry = self._entries[number] = _EpollEntry(self, number, endpoint, eventmask)
        endpoint.watches.append(entry)
        entry.changed()

    def modify(self, fd: Any, eventmask: int) -> None:
        self._assert_open()
        entry = self._entries.get(number_of(fd))
        if entry is None:
            raise error(errno.ENOENT)
        entry.ask(eventmask)
        entry.changed()

    def unregister(self, fd: Any) -> None:
        self._assert_open()
        number = number_of(fd)
        entry = self._entries.pop(number, None)
        if entry is None:
            raise error(errno.EBADF if self._here.get(number) is None else errno.ENOENT)
        entry.endpoint.watches.remove(entry)

    def poll(self, timeout: float | None = None, maxevents: int = -1) -> Events:
        self._assert_open()
        kernel = self._here.kernel
        kernel.pause(self)
        ready = self._ready(maxevents)
        if ready or timeout == 0:
            return ready
        deadline_ns = None if timeout is None or timeout < 0 else kernel.after(timeout)
        self._waiting = kernel.strand_of_caller()
        try:
            while True:
                woken = kernel.block("epoll", deadline_ns, self)
                ready = self._ready(maxevents)
                if ready or not woken:
                    return ready
        finally:
            self._waiting = None

    # -- what its entries call ---------------------------------------------------------------

    def wake(self) -> None:
        if self._waiting is not None:
            self._here.kernel.wake(self._waiting)

    def forget(self, number: int) -> None:
        del self._entries[number]

    # -- inside ------------------------------------------------------------------------------

    def _ready(self, maxevents: int) -> Events:
        ready = []
        for number, entry in self._entries.items():
            events = entry.events()
            if events:
                entry.told()
                ready.append((number, events))
                if len(ready) == maxevents:
                    break
        return ready

    def _assert_open(self) -> None:
        if self.closed:
            raise ValueError("I/O operation on closed epoll object")


class _Epoll(type):
    """Makes the simulated or the real one; both pass for an `epoll`."""

    def __call__(cls, *args: Any, **options: Any) -> Any:
        return (real_epoll if descriptors.current is None else SimEpoll)(*args, **options)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, real_epoll | SimEpoll)


class Epoll(metaclass=_Epoll):
    """Takes the place of the class `select.epoll`."""

    fromfd = real_epoll.fromfd


STAND_INS: Final[dict[str, Callable[..., Any]]] = {
    "select": either(real_select, sim_select),
    "poll": either(real_poll, SimPoll),
    "epoll": Epoll,
}
"""By their names in `select`."""
