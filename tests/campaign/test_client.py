"""What a client argument stands for."""

import importlib.metadata
import sys
from pathlib import Path

import pytest

from harness import __version__
from harness.campaign.client import ClientUnderTest, find_client
from harness.clients.reference import KINDS
from harness.errors import ClientUnavailable, UsageError

HERE = Path(sys.executable)


def find(argument: str) -> ClientUnderTest:
    return find_client(argument, lambda line: pytest.fail(line))


@pytest.mark.parametrize("argument", ["reference", *(f"reference:{bug}" for bug in KINDS)])
def test_the_reference_client_and_each_of_its_bugs(argument: str) -> None:
    assert find(argument) == ClientUnderTest(argument, __version__, HERE, argument)


def test_what_is_known_of_releases_applies_to_the_real_client_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The reference client's version is the harness' own, below that of any release."""
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: "1.11.1")
    assert find("installed").is_sdk
    assert not find("reference:poll").is_sdk


def test_a_bug_that_there_is_not() -> None:
    with pytest.raises(UsageError, match=r"no bug 'charm'.* poll, eager") as caught:
        find("reference:charm")
    assert "\n" not in str(caught.value)


def test_the_reference_client_without_httpx(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("harness.clients.reference")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "httpx", None)
    with pytest.raises(ClientUnavailable, match="needs httpx"):
        find("reference")


def test_the_installed_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: "1.11.1")
    assert find("installed") == ClientUnderTest("installed", "1.11.1", HERE, "openhands")


def test_no_client_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    with pytest.raises(ClientUnavailable, match=r"not installed.*install it") as caught:
        find("installed")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("argument", ["/no/such/place", "/no/such/place@HEAD", "referee", ""])
def test_a_client_that_there_is_not(argument: str) -> None:
    with pytest.raises(ClientUnavailable) as caught:
        find(argument)
    assert "\n" not in str(caught.value)
