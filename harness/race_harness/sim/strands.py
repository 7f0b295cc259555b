"""Strands, which are threads under control, and what the kernel knows of them."""

import _thread
from collections import deque
from collections.abc import Callable
from typing import Protocol

# Taken before any patch: a strand stands on the real thing.
_real_lock = _thread.allocate_lock


class Stopped(BaseException):
    """Ends the trial's main strand: deadlock, step limit or virtual-time limit."""


class Choice(Protocol):
    """Decides which strand runs next. Each interleaving strategy is one short class."""

    preempts: bool
    """Whether it may interrupt a strand, at a scheduling point, that could continue."""

    def choose(self, ready: "deque[Strand]") -> int:
        """Index of the strand to run next; `ready` is in the order of becoming ready.

        The kernel asks only where more than one strand could run.
        """


class Process:
    """Threads that may be stopped together, and those that they start.

    `stood_ns`: for how long the clock of its machine has stood so far.
    """

    __slots__ = ("dead", "held", "put_off", "stands_since_ns", "stood_ns", "stopped")

    def __init__(self, stood_ns: int = 0) -> None:
        self.stood_ns = stood_ns
        self.stands_since_ns: int | None = None
        """Since when its clock has been standing; None: it goes on."""
        self.put_off: list[tuple[Strand, Timer, int]] = []
        """The waits of its strands while it stands, each with its deadline by its own clock."""
        self.stopped = False
        self.dead = False
        """Whether it is stopped for good."""
        self.held: deque[Strand] = deque()
        """Strands that could run if it were not stopped, in the order of becoming ready."""

    def behind_ns(self, now_ns: int) -> int:
        """How far its clock is behind."""
        since_ns = self.stands_since_ns
        return self.stood_ns + (0 if since_ns is None else now_ns - since_ns)


class Strand:
    """A thread under control of the kernel."""

    __slots__ = (
        "at_end",
        "blocked_on",
        "done",
        "exited",
        "gate",
        "ident",
        "index",
        "joiners",
        "killed",
        "lot",
        "name",
        "process",
        "ready",
        "timer",
        "woken",
        "works_on",
    )

    def __init__(self, index: int, name: str) -> None:
        self.index = index
        self.name = name
        self.ident = 0
        self.gate = _real_lock()
        self.gate.acquire()
        self.exited = _real_lock()
        self.exited.acquire()
        self.ready = True
        self.done = False
        self.killed = False
        self.woken = False
        self.blocked_on = ""
        self.works_on: object = None
        """What the next thing that the strand does works on; None: nothing that is shared.

        A frozenset stands for several things, by their names.
        """
        self.lot: float | None = None
        """What the choice drew for it; forgotten when the strand runs."""
        self.process: Process | None = None
        """The process of this strand and of those that it starts; None: the trial's own."""
        self.timer: Timer | None = None
        self.joiners: list[Strand] = []
        self.at_end: list[Callable[[], None]] = []


class Timer:
    """Something to do at an instant of virtual time, outside every strand."""

    __slots__ = ("action", "at_ns")

    def __init__(self, at_ns: int, action: Callable[[], None]) -> None:
        self.at_ns = at_ns
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        self.action = None
