"""Signals that end a command: each is raised in the main thread, and none is lost.

Python raises what a signal brings wherever the main thread happens to be. In three kinds of places
that does harm: in a callback whose exceptions are printed and forgotten (of the garbage collector,
of a finalizer), in the middle of starting a process that nobody would know of then, and in the
middle of cleaning up. The first are told of by `sys.unraisablehook`, and the signal is sent again;
in the others it is `held` until they are through.

With the Python documentation of `signal`: a handler runs between two instructions of the main
thread, never in another one.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any, Final

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, what CI sends, and a terminal that is closed."""

_AGAIN_S: Final = 0.01
"""Wall seconds until a signal that was lost is sent again: by then that callback has ended."""


class Interrupted(KeyboardInterrupt):
    """A signal came: whatever is told of Ctrl-C is told of it, too."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Interrupts:
    """What has come so far."""

    def __init__(self) -> None:
        self.first: int | None = None
        """The first signal of all."""
        self._due: int | None = None
        self._holds = 0

    @property
    def status(self) -> int | None:
        """The exit status by which shells tell of the first signal; None without any."""
        return None if self.first is None else 128 + self.first

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Within, nothing is raised; what has come meanwhile is raised at the end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            if not self._holds and self._due is not None:
                number, self._due = self._due, None
                raise Interrupted(number)

    def came(self, number: int, _frame: FrameType | None) -> None:
        """The handler."""
        self.first = self.first or number
        if self._holds:
            self._due = number
            return
        raise Interrupted(number)


_OURS = Interrupts()


def held() -> contextlib.AbstractContextManager[None]:
    """Within, the main thread is not interrupted. For what is short and has to be whole."""
    return _OURS.held()


@contextlib.contextmanager
def raising() -> Iterator[Interrupts]:
    """Within, the signals are raised as `Interrupted`; those that this process is to ignore, as
    under nohup, or that somebody else handles, are left alone. For the main thread."""
    global _OURS
    before = _OURS
    _OURS = ours = Interrupts()
    handlers = {number: signal.getsignal(number) for number in SIGNALS}
    usual = (signal.SIG_DFL, signal.default_int_handler)
    hook = sys.unraisablehook

    def unraisable(told: Any) -> None:
        if ours.first is None or not issubclass(told.exc_type, KeyboardInterrupt):
            hook(told)
            return
        # Not from here, where it would be forgotten once more.
        threading.Timer(_AGAIN_S, os.kill, (os.getpid(), ours.first)).start()

    sys.unraisablehook = unraisable
    for number, handler in handlers.items():
        if handler in usual:
            signal.signal(number, ours.came)
    try:
        yield ours
    finally:
        for number, handler in handlers.items():
            if handler in usual:
                signal.signal(number, handler)
        sys.unraisablehook = hook
        _OURS = before
