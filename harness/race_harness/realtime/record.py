"""The trace of a trial whose happenings come from several threads and two processes."""

import hashlib
import threading
from collections.abc import Callable, Iterable

from race_harness.model.trace import Happening, Trace

_WITHOUT_MEANING = ("event", "peer", "number")
"""Fields that differ between repetitions anyway: ids, ports, counts of polls."""


class SharedTrace(Trace):
    """A trace that any thread may write. Listeners are called one at a time, and must not wait
    for another thread that writes."""

    def __init__(self, clock: Callable[[], int]) -> None:
        super().__init__(clock)
        self.turn = threading.RLock()
        """Held while something is added, and told to the listeners."""

    def add(self, happening: Happening) -> None:
        with self.turn:
            super().add(happening)


def in_order(happenings: Iterable[Happening], until_ns: int) -> tuple[Happening, ...]:
    """By their time, as the oracle needs them, which judges by positions; none after `until_ns`.

    Both processes read one clock, and each says of everything when it was done at the latest for
    others to see: a status is stamped when it is assigned, a return of `run()` before anybody
    looks what is visible. Among equal times, what was recorded first stays first.
    """
    until = [happening for happening in happenings if happening.at_ns <= until_ns]
    return tuple(sorted(until, key=lambda happening: happening.at_ns))


def digest_of(happenings: Iterable[Happening]) -> str:
    """A digest of what happened, in which order, without times, ids and ports.

    Unlike that of the simulation it need not repeat: the machine decides which of two simultaneous
    things is first. Equal digests mean that trials went alike.
    """
    made = hashlib.blake2b(digest_size=16)
    for happening in happenings:
        detail = [
            (name, value)
            for name, value in sorted(happening.detail.items())
            if name not in _WITHOUT_MEANING
        ]
        made.update(repr((happening.lane, happening.what, detail)).encode())
    return made.hexdigest()
