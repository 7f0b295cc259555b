"""Settings of the whole suite: the plugin's own tests run pytest inside pytest."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

pytest_plugins = ["pytester"]


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Iterator[None]:
    """Tests leave nothing in the record of who runs them."""
    with TemporaryDirectory(prefix="race-") as scratch:
        os.environ["RACE_RECORD"] = str(Path(scratch) / "record.db")
        return (yield)
