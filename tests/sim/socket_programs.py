"""What small programs on sockets share, which are to see the same on real and simulated ones."""

import contextlib
import errno
import socket
import time
from collections.abc import Callable
from typing import Any

from race_harness.sim import early

# As in a worker: what is bound below, when this is imported, is what works in both.
early.install()

HOST = "127.0.0.1"
Program = Callable[[], Any]


def kept_in(programs: dict[str, Program]) -> Callable[[Program], Program]:
    """A decorator that keeps a program by its name."""

    def keep(function: Program) -> Program:
        programs[function.__name__] = function
        return function

    return keep


def saw(call: Callable[..., Any], *args: Any) -> Any:
    """What a call gives, or the name of its error."""
    try:
        return call(*args)
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, "")
        return f"{type(error).__name__} {name}".strip()
    except (ValueError, TypeError, KeyError, OverflowError) as error:
        return type(error).__name__


@contextlib.contextmanager
def connected() -> Any:
    """Both ends of a connection: the client's, and the one that was accepted."""
    with (
        socket.create_server((HOST, 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        server, _ = listener.accept()
        with server:
            yield client, server


def settle() -> None:
    """Let what is under way arrive."""
    time.sleep(0.02)
