"""Reports which line is about to run, in chosen functions, by `sys.monitoring` (PEP 669)."""

import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from types import CodeType
from typing import Final

from race_harness.model.errors import WorldBroken
from race_harness.sim.source import Function

_TOOLS: Final = (4, 3, 5, 2, 1, 0)
"""Tool ids, best first. PEP 669 assigns 4 and 3 to no tool; Hypothesis takes 3 if it is free."""


@contextmanager
def line_events(
    functions: Collection[Function], reach: Callable[[Function, int], None]
) -> Iterator[None]:
    """Within, the thread that runs a line of these functions first calls `reach` with its number.
    CPython reports no other line of that thread during the call.

    Raises:
        WorldBroken: other tools hold all of `sys.monitoring`.
    """
    # By id, since a code object is hashed by reading all of it. The functions stay loaded.
    by_code = {id(function.code): function for function in functions}

    def line(code: CodeType, number: int) -> object:
        function = by_code.get(id(code))
        if function is None:
            # A tool that had our id before asked for this line: frames that were running when
            # it gave the id up still report their lines.
            return sys.monitoring.DISABLE
        reach(function, number)
        return None

    monitoring, event = sys.monitoring, sys.monitoring.events.LINE
    tool = free_tool()
    monitoring.use_tool_id(tool, "race-harness")
    try:
        monitoring.register_callback(tool, event, line)
        for function in functions:
            monitoring.set_local_events(tool, function.code, event)
        yield
    finally:
        for function in functions:
            monitoring.set_local_events(tool, function.code, 0)
        monitoring.register_callback(tool, event, None)
        monitoring.free_tool_id(tool)


def free_tool() -> int:
    """A tool id of `sys.monitoring` that nobody holds.

    Raises:
        WorldBroken: there is none.
    """
    for tool in _TOOLS:
        if sys.monitoring.get_tool(tool) is None:
            return tool
    raise WorldBroken("sys.monitoring has no tool id left: debuggers and profilers hold them all")
