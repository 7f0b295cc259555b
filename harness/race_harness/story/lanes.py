"""The columns of a story: the parties of a scenario, or the threads of a test by their names.

A test may have any number of threads. The first few of those that run a line of it, stall or die
have a column each; the others share one. The network has the last.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from race_harness.model.failure import Failure
from race_harness.story.row import Column

MAIN: Final = "MainThread"

NETWORK: Final[Column] = "network"
OTHERS: Final[Column] = "others"

_OF_SCENARIOS: Final = {
    "client": "client thread",
    "socket": "socket thread",
    "rest": "REST",
    "server": "server",
}

_ON_THE_WIRE: Final = ("rest", "socket", "network")

_MOST_THREADS: Final = 5
"""Threads that have a column of their own."""


@dataclass(frozen=True)
class Lane:
    column: Column
    heading: str


class Lanes:
    """The columns of one failure, from left to right."""

    def __init__(self, failure: Failure) -> None:
        self.of_test = failure.schedule.test is not None
        self.all: tuple[Lane, ...] = (
            self._of_threads(failure)
            if self.of_test
            else tuple(Lane(column, heading) for column, heading in _OF_SCENARIOS.items())
        )
        self._columns = {lane.column for lane in self.all}

    @property
    def callers(self) -> Column:
        """The column of whoever calls `run()`, or is the test itself."""
        return self.all[0].column

    def column_of(self, happening: Mapping[str, Any]) -> Column:
        """The column of a happening of a test."""
        thread = thread_of(happening)
        return NETWORK if thread is None else self.of_thread(thread)

    def of_thread(self, thread: str) -> Column:
        column = _column(thread)
        return column if column in self._columns else OTHERS

    def _of_threads(self, failure: Failure) -> tuple[Lane, ...]:
        found = (thread_of(happening) for happening in failure.happenings)
        threads = list(dict.fromkeys([MAIN, *(one for one in found if one is not None)]))
        lanes = [Lane(_column(thread), thread) for thread in threads[:_MOST_THREADS]]
        if threads[_MOST_THREADS:]:
            lanes.append(Lane(OTHERS, "other threads"))
        if any(thread_of(happening) is None for happening in failure.happenings):
            lanes.append(Lane(NETWORK, "network"))
        return tuple(lanes)


def thread_of(happening: Mapping[str, Any]) -> str | None:
    """The thread of a test in which it happened; None: on the wire, whoever sent it."""
    if happening["lane"] in _ON_THE_WIRE:
        return None
    # Older files name the thread only for stalls and deaths.
    by = happening.get("by", happening.get("thread", MAIN))
    return MAIN if by == "main" else str(by)


def short(thread: str) -> str:
    """`Thread-4` for `Thread-4 (process_request_thread)`: enough to recognise it."""
    name, bracket, _ = thread.partition(" (")
    return name if bracket and name.startswith("Thread-") else thread


def _column(thread: str) -> Column:
    # With this prefix no thread's name equals that of another column.
    return f"thread {thread}"
