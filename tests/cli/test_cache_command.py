"""`race cache`: what is there, and room for others."""

import json
import os
import time
from pathlib import Path

import pytest
from cli_rig import Race, error_of

from race_harness.environments import leases
from race_harness.environments.cache import METADATA


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RACE_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "environments"


def make(root: Path, name: str, days_ago: float) -> Path:
    home = root / name
    home.mkdir(parents=True)
    (home / "module.py").write_bytes(b"x" * 4_000_000)
    (home / METADATA).write_text(json.dumps({"client": f"openhands-sdk {name}"}))
    used_at = time.time() - 86_400 * days_ago
    os.utime(home / METADATA, (used_at, used_at))
    return home


def test_what_is_there(race: Race, root: Path) -> None:
    make(root, "1.0.0", days_ago=3)
    make(root, "1.1.0", days_ago=0)
    done = race("cache")
    assert done.returncode == 0
    first, second = (line.split() for line in done.stdout.splitlines() if "openhands" in line)
    assert first == ["openhands-sdk", "1.1.0", "4", "4", "just", "now"]
    assert second == ["openhands-sdk", "1.0.0", "4", "4", "3", "days", "ago"]
    assert "2 environments, 0.01 GB" in done.stdout


def test_an_empty_cache(race: Race, root: Path) -> None:
    assert f"0 environments, 0.00 GB with each file counted once, in {root}" in race(
        "cache"
    ).stdout.replace("\n", " ")
    assert race("cache", "--prune").returncode == 0


def test_what_was_not_used_for_long_goes_and_what_is_in_use_stays(race: Race, root: Path) -> None:
    old, used = make(root, "1.0.0", days_ago=40), make(root, "1.1.0", days_ago=40)
    young = make(root, "1.2.0", days_ago=1)
    assert leases.hold(used)
    done = race("cache", "--prune")
    assert (old.exists(), used.exists(), young.exists()) == (False, True, True)
    assert "removed openhands-sdk 1.0.0: not used for 40 days" in done.stdout
    assert "kept openhands-sdk 1.1.0: it is in use" in done.stdout


def test_what_is_too_much_goes_the_one_used_longest_ago_first(race: Race, root: Path) -> None:
    old, young = make(root, "1.0.0", days_ago=2), make(root, "1.1.0", days_ago=1)
    done = race("cache", "--prune", "--max-gb", "0.005")
    assert (old.exists(), young.exists()) == (False, True)
    assert "removed openhands-sdk 1.0.0: used longest ago" in done.stdout
    assert "1 environments" in done.stdout


def test_listing_removes_nothing(race: Race, root: Path) -> None:
    old = make(root, "1.0.0", days_ago=400)
    race("cache", "--max-gb", "0")
    assert old.exists()


def test_what_is_named_is_removed(race: Race, root: Path) -> None:
    one, other, damaged = (make(root, name, days_ago=0) for name in ("1.0.0", "1.0.1", "tree-1"))
    with_server = make(root, "1.0.0 with its server", days_ago=0)
    (damaged / METADATA).unlink()
    assert "tree-1" in race("cache").stdout
    done = race("cache", "--remove", "1.0.0", "--remove", "tree-1")
    assert done.returncode == 0
    assert "removed openhands-sdk 1.0.0 with its server" in done.stdout
    assert [path.exists() for path in (one, with_server, other, damaged)] == [
        *(False, False, True, False)
    ]


def test_what_cannot_be_removed_is_told(race: Race, root: Path) -> None:
    used = make(root, "1.1.0", days_ago=0)
    assert leases.hold(used)
    assert "is in use" in error_of(race("cache", "--remove", "1.1.0"), 2)
    assert "no environment '1.1'" in error_of(race("cache", "--remove", "1.1"), 2)
    assert used.exists()
