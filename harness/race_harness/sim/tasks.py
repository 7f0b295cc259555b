"""asyncio's tasks in an order that is the same in each trial, and its loops woken at once.

Otherwise asyncio is unchanged: its own loop, on a selector of the simulation.
"""

import asyncio
import asyncio.base_events
import asyncio.runners
import asyncio.selector_events
from collections.abc import Coroutine
from itertools import count
from typing import Any

from race_harness.sim.selector import SimSelector

Patch = tuple[Any, str, Any]
"""Owner, attribute, replacement."""

_Loop = asyncio.base_events.BaseEventLoop
_SelectorLoop = asyncio.selector_events.BaseSelectorEventLoop
_create_task = _Loop.create_task
_write_to_self = _SelectorLoop._write_to_self  # type: ignore[attr-defined]


class SimTask(asyncio.Task[Any]):
    """A task that is hashed by its number in its loop.

    asyncio (`TaskGroup`, `wait`) and anyio keep tasks in sets, whose order would otherwise depend
    on addresses.
    """

    def __init__(self, number: int, coroutine: Coroutine[Any, Any, Any], **options: Any) -> None:
        self.number = number  # before asyncio puts it into its first set
        super().__init__(coroutine, **options)

    def __hash__(self) -> int:
        return self.number


def patches() -> list[Patch]:
    """The replacements for the length of one trial."""
    return [
        (_Loop, "create_task", create_task),
        (_SelectorLoop, "_write_to_self", _wake),
        (asyncio.runners, "_cancel_all_tasks", _cancel_all_tasks),
    ]


def create_task(self: Any, coro: Any, **options: Any) -> asyncio.Task[Any]:
    if self.get_task_factory() is not None:  # the client's own
        return _create_task(self, coro, **options)
    self._check_closed()
    numbers = self.__dict__.setdefault("_race_harness_numbers", count())
    return SimTask(next(numbers), coro, loop=self, **options)


def _wake(self: Any) -> None:
    selector = self._selector
    if isinstance(selector, SimSelector):
        # Like a byte on the loop's socket to itself, but the loop need not read it again.
        selector.wake()
    else:
        _write_to_self(self)


def _cancel_all_tasks(loop: asyncio.AbstractEventLoop) -> None:
    # asyncio.runners keeps tasks in a set, whose order depends on addresses.
    tasks = sorted(asyncio.all_tasks(loop), key=_task_number)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))


def _task_number(task: asyncio.Task[Any]) -> tuple[int, str]:
    """A key that sorts tasks by their creation, as far as that is known."""
    if isinstance(task, SimTask):
        return task.number, ""
    # A factory of the client's made it: sort by name, `Task-10` after `Task-9`.
    name = task.get_name()
    digits = name.rpartition("-")[2]
    return (int(digits) if digits.isdigit() else 0, name)
