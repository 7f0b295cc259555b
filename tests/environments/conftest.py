"""What the tests of environments share."""

from pathlib import Path

import pytest

from .fake_package import FakePackage


@pytest.fixture
def package(tmp_path: Path) -> FakePackage:
    return FakePackage(tmp_path / "checkout" / "openhands-sdk", tmp_path)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the test's own; the value is the directory of environments in it."""
    monkeypatch.setenv("RACE_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "environments"


@pytest.fixture
def no_index(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index address at which nothing listens."""
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://user:secret@127.0.0.1:9/simple")
