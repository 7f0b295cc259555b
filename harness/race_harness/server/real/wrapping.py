"""Wraps methods of published classes."""

import functools
import inspect
from collections.abc import Callable
from typing import Any


def wrap(owner: type, name: str, wrapper: Callable[..., Any]) -> None:
    """Replace a method by `wrapper`, which gets the original before the method's own arguments. If
    a release has no such method, leave the class as it is."""
    original = vars(owner).get(name)
    if original is None and name == "__setattr__":
        original = owner.__setattr__
    if original is None:
        return

    # A coroutine function has to stay one, since the server checks.
    if inspect.iscoroutinefunction(original):

        @functools.wraps(original)
        async def awaited(self: Any, *args: Any, **options: Any) -> Any:
            return await wrapper(original, self, *args, **options)

        setattr(owner, name, awaited)
    else:

        @functools.wraps(original)
        def called(self: Any, *args: Any, **options: Any) -> Any:
            return wrapper(original, self, *args, **options)

        setattr(owner, name, called)
