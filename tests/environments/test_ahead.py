"""Building in the background, and ending it."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from race_harness.environments import ahead as ahead_module
from race_harness.environments.ahead import Ahead

from .fake_package import FakePackage


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def building(home: Path) -> list[Path]:
    return [path for path in home.glob(".building/*~*") if path.is_dir()]


def test_a_builder_ends_with_all_that_it_has_begun(package: FakePackage, home: Path) -> None:
    package.gate.touch()
    client = str(package.directory)
    with Ahead() as ahead:
        ahead.want([client])
        wait_until(lambda: package.builds() == 1)
        # The one that is needed goes on.
        ahead.need(client)
        assert ahead._builder is not None
        assert ahead._builder.poll() is None
        ahead.need("another")
        assert ahead._builder is None
    # Its builds have ended, too: nobody opens the gate that they wait for.
    left = building(home)
    assert len(left) == 1
    assert not [path for path in home.glob("*") if path.name != ".building"]


def test_clients_are_prepared_in_their_order_whatever_comes_of_them(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from race_harness.model.errors import ClientUnavailable

    prepared: list[tuple[str, object]] = []

    def prepare(client: str, *, with_server: bool) -> None:
        prepared.append((client, with_server))
        raise ClientUnavailable("no such client")

    monkeypatch.setattr(ahead_module, "prepare", prepare)
    monkeypatch.setattr(
        ahead_module, "prepare_for_tests", lambda client, tests: prepared.append((client, tests))
    )
    monkeypatch.setattr(ahead_module, "_end_with_owner", lambda: None)
    ahead_module.main("[true, null]", "1.0.0", "1.1.0")
    assert prepared == [("1.0.0", True), ("1.1.0", True)]
    ahead_module.main('[false, ["attrs"]]', "1.2.0")
    assert prepared[2:] == [("1.2.0", ["attrs"])]
    assert capfd.readouterr().out == "1.0.0\n1.1.0\n1.2.0\n"


def test_nothing_wanted_starts_nothing() -> None:
    with Ahead() as ahead:
        ahead.want([])
        ahead.need("1.0.0")
        assert ahead._builder is None
