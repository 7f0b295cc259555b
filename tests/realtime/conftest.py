"""What the tests in real time share."""

import contextlib

import pytest
from proxy_rig import Rig


@pytest.fixture
def rig():
    """Makes a rig of these faults and links."""
    with contextlib.ExitStack() as stack:

        def make(*faults, **network):
            made = Rig(*faults, **network)
            stack.callback(made.close)
            return made

        yield make
