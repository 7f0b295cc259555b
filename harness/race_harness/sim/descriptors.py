"""The descriptors of one trial, its ports in use, and what new sockets begin with."""

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
"""The first port that binding to port 0 gives."""


class Descriptors:
    """Which open socket each number means."""

    def __init__(
        self, kernel: Kernel, network: "SimNetwork", children: "Children | None" = None
    ) -> None:
        """`children`: those of the trial, if it may start any."""
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
        """The next free number, for something other than a socket."""
        return next(self._numbers)

    def open(self, endpoint: Endpoint) -> int:
        """Give the endpoint another descriptor."""
        number = next(self._numbers)
        endpoint.holders += 1
        self._endpoints[number] = endpoint
        return number

    def get(self, number: int) -> "Endpoint | RealEnd | None":
        """What a strand can wait for at this number; this may lead to a child process."""
        if number < FIRST and self.children is not None:
            return self.children.end_at(number)
        return self._endpoints.get(number)

    def watched(self, number: int) -> "Endpoint | RealEnd":
        """As `get`, but raise where there is nothing.

        Raises:
            OSError: EBADF.
            WorldBroken: the operating system gave it, and the trial has no child processes.
        """
        found = self.get(number)
        if found is None and number < FIRST:
            raise self.refused(number)
        return found or self.at(number)

    def refused(self, number: int) -> WorldBroken:
        """The error for a descriptor of the operating system."""
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
        """Give the endpoint a port; 0 takes a free one.

        Raises:
            OSError: EADDRINUSE; EINVAL where the endpoint already has a port.
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
"""Those of the trial that is running in this process, if any."""


def either(real: Callable[..., Any], simulated: Callable[..., Any]) -> Callable[..., Any]:
    """A function that calls the simulated one in a trial and the real one outside."""

    def call(*args: Any, **options: Any) -> Any:
        return (real if current is None else simulated)(*args, **options)

    return call


def error(number: int, says: str | None = None) -> OSError:
    return OSError(number, says or os.strerror(number))


def number_of(what: Any) -> int:
    """The number of a descriptor, or of an object that has a `fileno()`.

    Raises:
        ValueError: the object is closed.
        TypeError: it has no `fileno()`.
    """
    if not isinstance(what, int):
        if not hasattr(what, "fileno"):
            raise TypeError("argument must be an int, or have a fileno() method.")
        what = what.fileno()
    if what < 0:
        raise ValueError(f"file descriptor cannot be a negative integer ({what})")
    return int(what)


def is_here(host: str) -> bool:
    """Whether a socket that is bound to that address can be reached."""
    return host in ("", "0.0.0.0", HOST, "localhost")
