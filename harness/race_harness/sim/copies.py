"""Names by which other modules hold what a patch replaces.

`from time import monotonic` puts the function out of reach of a patch on `time`: the copy has to
be replaced where it is.
"""

import os
import sys
import threading
import time
from typing import Any

Patch = tuple[Any, str, Any]
"""Owner, attribute, replacement."""

_OWNERS = (time, os, threading)

_Found = list[tuple[Any, str, int]]
_found: tuple[tuple[int, frozenset[int]], _Found] | None = None


def copies(patches: list[Patch]) -> list[Patch]:
    """The same replacements for every copy that a loaded module holds, this package's apart."""
    own = {(id(owner), name) for owner, name, _ in patches}
    wanted = {
        id(getattr(owner, name)): (getattr(owner, name), replacement)
        for owner, name, replacement in patches
        if owner in _OWNERS
    }
    found = []
    for module, attribute, identity in _scan(frozenset(wanted)):
        original, replacement = wanted[identity]
        if (id(module), attribute) not in own and vars(module).get(attribute) is original:
            found.append((module, attribute, replacement))
    return found


def _scan(identities: frozenset[int]) -> _Found:
    """Who holds one of these; looked up anew when modules were loaded, since it takes a while."""
    global _found
    key = (len(sys.modules), identities)
    if _found is None or _found[0] != key:
        _found = (
            key,
            [
                (module, attribute, id(value))
                for name, module in list(sys.modules.items())
                # The kernel, the guard and the watchdog stand on the real thing, and so does the
                # import system, which asks the modules that are built in.
                if name.partition(".")[0] != "race_harness"
                and name not in sys.builtin_module_names
                for attribute, value in list(getattr(module, "__dict__", {}).items())
                if id(value) in identities
            ],
        )
    return _found[1]
