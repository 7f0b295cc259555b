"""`os.pipe()` in a trial: two connected descriptors, and the functions of `os` that take them.

Servers wake themselves up by one, as that of `websockets.sync` does. A file object cannot be made
of it: `open()` reads in C.
"""

import os
import sys
from collections.abc import Callable
from typing import Any, Final

from race_harness.sim import descriptors
from race_harness.sim.descriptors import FIRST
from race_harness.sim.endpoint import pair
from race_harness.sim.simulated_socket import SimSocket

_real_pipe, _real_pipe2 = os.pipe, os.pipe2


def _made(flags: int, real: Callable[[], tuple[int, int]]) -> tuple[int, int]:
    here = descriptors.current
    # Those of `subprocess`, which asyncio's processes are made by as well, lead to children.
    if here is None or sys._getframe(2).f_globals.get("__name__") == "subprocess":
        return real()
    timeout = 0.0 if flags & os.O_NONBLOCK else None
    numbers = [here.open(end) for end in pair(here.kernel)]
    for number in numbers:
        here.pipes[number] = SimSocket(here, -1, -1, -1, number, timeout)
    reading, writing = numbers
    return reading, writing


def _pipe() -> tuple[int, int]:
    return _made(0, _real_pipe)


def _pipe2(flags: int, /) -> tuple[int, int]:
    return _made(flags, lambda: _real_pipe2(flags))


def _of(number: Any) -> SimSocket | None:
    here = descriptors.current
    return None if here is None or not isinstance(number, int) else here.pipes.get(number)


def _close(real: Callable[[int], None]) -> Callable[[int], None]:
    def close(fd: int) -> None:
        here = descriptors.current
        if not isinstance(fd, int) or fd < FIRST:
            real(fd)
        elif here is not None:
            here.pipes.pop(fd, None)
            here.close(fd)
        # After its trial there is nothing left to close.

    return close


def _by(real: Callable[..., Any], simulated: Callable[..., Any]) -> Callable[..., Any]:
    def call(fd: int, *args: Any) -> Any:
        pipe = _of(fd)
        return real(fd, *args) if pipe is None else simulated(pipe, *args)

    return call


def _set_blocking(pipe: SimSocket, blocking: bool) -> None:
    pipe.timeout = None if blocking else 0.0


STAND_INS: Final[dict[str, Callable[..., Any]]] = {
    "pipe": _pipe,
    "pipe2": _pipe2,
    "close": _close(os.close),
    "read": _by(os.read, SimSocket.recv),
    "write": _by(os.write, SimSocket.send),
    "set_blocking": _by(os.set_blocking, _set_blocking),
    "get_blocking": _by(os.get_blocking, lambda pipe: pipe.timeout is None),
}
