"""Methods of published classes, wrapped."""

import functools
import inspect
from collections.abc import Callable
from typing import Any


def wrap(owner: type, name: str, wrapper: Callable[..., Any]) -> None:
    """`wrapper` gets the original before the method's own arguments. A class of a release without
    that method is left as it is."""
    original = vars(owner).get(name)
    if original is None and name == "__setattr__":
        original = owner.__setattr__
    if original is None:
        return

    # What is a coroutine function stays one: the server asks.
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
