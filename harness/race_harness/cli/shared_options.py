"""Options that several commands share, as one value."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, get_type_hints


def takes(options: type) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorates a command whose argument `asked` is a value of this dataclass: in its place, each
    field becomes an option, with the field's annotation and default."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(options, include_extras=True)
        shared = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if field.default is MISSING else field.default,
                annotation=hints[field.name],
            )
            for field in fields(options)
        ]
        names = [field.name for field in fields(options)]

        @functools.wraps(command)
        def called(**given: Any) -> None:
            asked = options(**{name: given.pop(name) for name in names})
            command(asked=asked, **given)

        parameters: list[inspect.Parameter] = []
        for parameter in inspect.signature(command, eval_str=True).parameters.values():
            own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY)]
            parameters += shared if parameter.name == "asked" else own
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {one.name: one.annotation for one in parameters}
        return called

    return decorate
