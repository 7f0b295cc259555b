"""`os.pipe()` in a trial: two connected descriptors, and the functions of `os` and `fcntl` that
take descriptors.

Servers, such as that of `websockets.sync`, wake themselves up by a pipe. A file object cannot be
made of one: `open()` reads in C.
"""

import fcntl
import os
import sys
from collections.abc import Callable
from typing import Any, Final

from race_harness.sim import descriptors
from race_harness.sim.descriptors import FIRST
from race_harness.sim.endpoint import pair
from race_harness.sim.simulated_socket import SimSocket

_real_pipe, _real_pipe2, _real_dup, _real_fcntl = os.pipe, os.pipe2, os.dup, fcntl.fcntl


def _made(flags: int, real: Callable[[], tuple[int, int]]) -> tuple[int, int]:
    here = descriptors.current
    # Pipes that `subprocess` makes, also for asyncio, lead to children.
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


def _dup(fd: int, /) -> int:
    """Another number for what is open there."""
    here = descriptors.current
    if here is None or not isinstance(fd, int) or fd < FIRST:
        return _real_dup(fd)
    number = here.open(here.at(fd))
    timeout = here.pipes[fd].timeout if fd in here.pipes else None
    here.pipes[number] = SimSocket(here, -1, -1, -1, number, timeout)
    return number


def _fcntl(fd: Any, cmd: int, arg: Any = 0, /) -> Any:
    """Get or set the flags of a simulated descriptor: it closes on exec, and only pipes take new
    flags."""
    here = descriptors.current
    number = fd if isinstance(fd, int) else fd.fileno()
    if here is None or number < FIRST:
        return _real_fcntl(fd, cmd, arg)
    here.at(number)
    pipe = here.pipes.get(number)
    if cmd == fcntl.F_GETFD:
        return fcntl.FD_CLOEXEC
    if cmd == fcntl.F_SETFD:
        return 0
    if cmd == fcntl.F_GETFL and pipe is not None:
        return os.O_RDWR | (os.O_NONBLOCK if pipe.timeout == 0 else 0)
    if cmd == fcntl.F_SETFL and pipe is not None:
        _set_blocking(pipe, not arg & os.O_NONBLOCK)
        return 0
    raise here.kernel.refusal(f"fcntl {cmd} of a simulated descriptor")


def _set_blocking(pipe: SimSocket, blocking: bool) -> None:
    pipe.timeout = None if blocking else 0.0


STAND_INS: Final[dict[str, Callable[..., Any]]] = {
    "pipe": _pipe,
    "pipe2": _pipe2,
    "close": _close(os.close),
    "dup": _dup,
    "read": _by(os.read, SimSocket.recv),
    "write": _by(os.write, SimSocket.send),
    "set_blocking": _by(os.set_blocking, _set_blocking),
    "get_blocking": _by(os.get_blocking, lambda pipe: pipe.timeout is None),
}
FILE_CONTROL: Final[dict[str, Callable[..., Any]]] = {"fcntl": _fcntl}
"""By their names in `fcntl`."""
