"""The descriptors of one trial, the ports that are taken, and what new sockets begin with."""

import errno
import os
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from race_harness.model.errors import WorldBroken
from race_harness.network.loopback import HOST
from race_harness.sim.endpoint import Endpoint, State
from race_harness.sim.kernel import Kernel

if TYPE_CHECKING:
    # A worker imports this before anything else.
    from race_harness.sim.children import Children, RealEnd
    from race_harness.sim.tcp import SimNetwork

FIRST: Final = 1 << 20
"""The first descriptor: beyond what the operating system gives."""
FIRST_PORT: Final = 40_001
"""What binding to port 0 takes first."""


class Descriptors:
    """Which open socket each number means."""

    def __init__(
        self, kernel: Kernel, network: "SimNetwork", children: "Children | None" = None
    ) -> None:
        """`children`: of the trial, if it may have any."""
        self.kernel = kernel
        self.children = children
        self.network = network
        self.pipes: dict[int, Any] = {}
        """A `SimSocket` for each end of an `os.pipe()`."""
        self._endpoints: dict[int, Endpoint] = {}
        self._numbers = count(FIRST)
        self._ports: dict[int, Endpoint] = {}
        self._free_ports = count(FIRST_PORT)

    def number(self) -> int:
        """The next free one, for something that is no socket."""
        return next(self._numbers)

    def open(self, endpoint: Endpoint) -> int:
        """A further descriptor for it."""
        number = next(self._numbers)
        endpoint.holders += 1
        self._endpoints[number] = endpoint
        return number

    def get(self, number: int) -> "Endpoint | RealEnd | None":
        """What can be waited for there: what leads to a child process as well."""
        if number < FIRST and self.children is not None:
            return self.children.end_at(number)
        return self._endpoints.get(number)

    def watched(self, number: int) -> "Endpoint | RealEnd":
        """The same, where there has to be something.

        Raises:
            OSError: EBADF.
            WorldBroken: it is of the operating system, and the trial has no child processes.
        """
        found = self.get(number)
        if found is None and number < FIRST:
            raise self.refused(number)
        return found or self.at(number)

    def refused(self, number: int) -> WorldBroken:
        """Of a descriptor of the operating system."""
        return self.kernel.refusal(f"waiting for the real descriptor {number}")

    def at(self, number: int) -> Endpoint:
        """Raises OSError: EBADF."""
        endpoint = self._endpoints.get(number)
        if endpoint is None:
            raise error(errno.EBADF)
        return endpoint

    def close(self, number: int) -> None:
        """Raises OSError: EBADF."""
        endpoint = self.at(number)
        del self._endpoints[number]
        endpoint.release()

    def bind(self, endpoint: Endpoint, host: str, port: int) -> None:
        """Give it a port; 0 takes a free one.

        Raises:
            OSError: EADDRINUSE; EINVAL where it has one.
        """
        if endpoint.state is not State.FRESH:
            raise error(errno.EINVAL)
        if port == 0:
            port = next(free for free in self._free_ports if free not in self._ports)
        elif port in self._ports:
            raise error(errno.EADDRINUSE)
        self._ports[port] = endpoint
        endpoint.name = (host, port)
        endpoint.state = State.BOUND
        endpoint.on_close.append(lambda: self._free(port))

    def listen(self, endpoint: Endpoint, backlog: int) -> None:
        if endpoint.state is State.FRESH:
            self.bind(endpoint, "0.0.0.0", 0)
        if endpoint.state not in (State.BOUND, State.LISTENING):
            raise error(errno.EINVAL)
        endpoint.backlog = max(0, backlog)
        if endpoint.state is State.BOUND:
            endpoint.state = State.LISTENING
            port = endpoint.name[1]
            self.network.listen(port, endpoint)
            endpoint.on_close.append(partial(self.network.unlisten, port))

    def _free(self, port: int) -> None:
        del self._ports[port]


current: Descriptors | None = None
"""Of the trial that is running in this process, if any."""


def either(real: Callable[..., Any], simulated: Callable[..., Any]) -> Callable[..., Any]:
    """The one or the other, whether or not a trial is running when it is called."""

    def call(*args: Any, **options: Any) -> Any:
        return (real if current is None else simulated)(*args, **options)

    return call


def error(number: int, says: str | None = None) -> OSError:
    return OSError(number, says or os.strerror(number))


def number_of(what: Any) -> int:
    """Of a descriptor, or of what has a `fileno()`.

    Raises:
        ValueError: it is closed.
        TypeError: it has none.
    """
    if not isinstance(what, int):
        if not hasattr(what, "fileno"):
            raise TypeError("argument must be an int, or have a fileno() method.")
        what = what.fileno()
    if what < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({what})")
    return int(what)


def is_here(host: str) -> bool:
    """Whether a bound socket with that address is to be reached."""
    return host in ("", "0.0.0.0", HOST, "localhost")
