"""What is installed only where somebody asks for it."""

import contextlib
from collections.abc import Iterator

from race_harness.model.errors import HarnessError, UsageError


@contextlib.contextmanager
def extra(name: str, what: str, *, error: type[HarnessError] = UsageError) -> Iterator[None]:
    """For imports of what the extra `name` brings; `what` needs it.

    Raises:
        UsageError, or `error`: it is not installed; the line names the extra.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] == __name__.partition(".")[0]:
            raise  # a mistake of ours
        raise error(
            f"{what} needs {missing.name}, which is not installed: "
            f"pip install 'race-harness[{name}]'"
        ) from None
