"""Optional dependencies, and the message when one is missing."""

import contextlib
from collections.abc import Iterator

from race_harness.model.errors import HarnessError, UsageError


@contextlib.contextmanager
def extra(name: str, what: str, *, error: type[HarnessError] = UsageError) -> Iterator[None]:
    """Wrap imports of packages from the extra `name`; `what` tells the message who needs them.

    Raises:
        UsageError, or `error`: a package is not installed; the message names the extra.
    """
    try:
        yield
    except ImportError as missing:
        if missing.name is None or missing.name.partition(".")[0] == __name__.partition(".")[0]:
            raise  # The harness's own import is wrong.
        gone = isinstance(missing, ModuleNotFoundError)
        state = "is not installed" if gone else "cannot be imported"
        raise error(
            f"{what} needs {missing.name}, which {state}: pip install 'race-harness[{name}]'"
        ) from None
