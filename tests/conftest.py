"""What the tests share: the reference client's worker processes, one for each planted bug."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from hypothesis import settings

from race_harness.workers.pool import Workers

# How long an example takes is a matter of the machine.
settings.register_profile("race-harness", deadline=None)
settings.load_profile("race-harness")


@pytest.fixture(scope="session")
def workers() -> Iterator[Callable[[str], Workers]]:
    """Gives a ready worker with the adapter of that name; it takes seconds to start, once."""
    started: dict[str, Workers] = {}
    with ExitStack() as stack:

        def get(adapter: str) -> Workers:
            if adapter not in started:
                pool = stack.enter_context(Workers(sys.executable, adapter, 1))
                pool.wait_ready()
                started[adapter] = pool
            return started[adapter]

        yield get
