"""What is kept, what goes, and that nothing goes that somebody uses."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from filelock import FileLock

from race_harness.environments import leases
from race_harness.environments.cache import BUILDING, METADATA, Cache, sweep
from race_harness.environments.installer import base_interpreter
from race_harness.environments.pruning import KeptEnvironment, choose, environments, remove, total

ROOT = Path(__file__).parents[2]

# Uses a directory until its standard input is closed.
USER = """
import sys
from pathlib import Path
from race_harness.environments import leases
print(leases.hold(Path(sys.argv[1])), flush=True)
sys.stdin.read()
"""


@contextmanager
def in_use(directory: Path) -> Iterator[None]:
    with subprocess.Popen(
        [sys.executable, "-c", USER, str(directory)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as user:
        assert user.stdout is not None
        assert user.stdin is not None
        assert user.stdout.readline() == "True\n"
        yield
        user.stdin.close()


def make(root: Path, name: str, used_at: float = 1_000.0, size: int = 10_000) -> Path:
    home = root / name
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "python").symlink_to(sys.executable)
    (home / "module.py").write_bytes(b"x" * size)
    (home / METADATA).write_text(json.dumps({"client": f"sdk {name}", "version": "1.0.0"}))
    os.utime(home / METADATA, (used_at, used_at))
    return home


def kept(name: str, used_at: float, **files: int) -> KeptEnvironment:
    return KeptEnvironment(
        Path(name), name, used_at, {(1, int(n[1:])): size for n, size in files.items()}
    )


def chosen(
    *all_of_them: KeptEnvironment, most_bytes: float, most_idle_s: float = 1e9
) -> list[str]:
    removals = choose(all_of_them, now=1_000.0, most_bytes=most_bytes, most_idle_s=most_idle_s)
    return [removal.kept.title for removal in removals]


def test_what_is_unused_for_too_long_goes_and_nothing_else() -> None:
    old, young = kept("old", 100.0, f1=5), kept("young", 900.0, f2=5)
    assert chosen(old, young, most_bytes=100, most_idle_s=500) == ["old"]
    assert chosen(old, young, most_bytes=100) == []


def test_what_was_used_longest_ago_goes_first_until_the_rest_is_small_enough() -> None:
    a, b, c = kept("a", 3, f1=10), kept("b", 1, f2=10), kept("c", 2, f3=10)
    assert chosen(a, b, c, most_bytes=30) == []
    assert chosen(a, b, c, most_bytes=29) == ["b"]
    assert chosen(a, b, c, most_bytes=10) == ["b", "c"]
    assert chosen(a, b, c, most_bytes=0) == ["b", "c", "a"]


def test_a_file_that_several_have_counts_once_and_goes_with_the_last() -> None:
    a, b = kept("a", 1, f1=100, f2=1), kept("b", 2, f1=100, f3=1)
    assert total([a, b]) == 102
    # Without `a` 101 are left: that does not help.
    assert chosen(a, b, most_bytes=101) == ["a"]
    assert chosen(a, b, most_bytes=100) == ["a", "b"]


def test_what_is_there_is_found_with_its_size_and_last_use(tmp_path: Path) -> None:
    make(tmp_path, "one", used_at=1_000.0)
    two = make(tmp_path, "two", used_at=2_000.0)
    os.link(tmp_path / "one" / "module.py", two / "linked.py")
    (tmp_path / BUILDING).mkdir()
    (tmp_path / "broken").mkdir()
    found = environments(tmp_path)
    assert [each.title for each in found] == ["sdk two", "sdk one", "broken"]
    assert [each.used_at for each in found] == [2_000.0, 1_000.0, 0.0]
    assert found[0].size >= 20_000 > 10_000 <= found[0].shared
    assert total(found) < sum(each.size for each in found)
    assert environments(tmp_path / "nowhere") == []


def test_one_that_nobody_uses_is_removed(tmp_path: Path) -> None:
    make(tmp_path, "one")
    (found,) = environments(tmp_path)
    assert remove(found)
    assert [path.name for path in tmp_path.iterdir()] == [BUILDING]
    assert not [path for path in (tmp_path / BUILDING).iterdir() if path.is_dir()]


def test_one_that_is_used_stays_until_its_user_ends(tmp_path: Path) -> None:
    home = make(tmp_path, "one")
    (found,) = environments(tmp_path)
    with in_use(home):
        assert not remove(found)
        assert (home / METADATA).exists()
    assert remove(found)


def test_one_that_is_built_anew_stays(tmp_path: Path) -> None:
    home = make(tmp_path, "one")
    (found,) = environments(tmp_path)
    (tmp_path / BUILDING).mkdir()
    with FileLock(tmp_path / BUILDING / "one.lock"):
        assert not remove(found)
    assert home.exists()


def test_whoever_finds_an_environment_uses_it(tmp_path: Path) -> None:
    cache = Cache(tmp_path, base_interpreter())
    home = make(tmp_path, cache._name("release-1"))
    (found,) = environments(tmp_path)
    assert cache.find("release-1", "1.0.0") is not None
    assert (home / METADATA).stat().st_mtime > 1_000.0
    assert not remove(found)


def test_what_is_being_removed_is_found_no_more(tmp_path: Path) -> None:
    cache = Cache(tmp_path, base_interpreter())
    home = make(tmp_path, cache._name("release-1"))
    with leases.alone(home) as free:
        assert free
        assert cache.find("release-1", "1.0.0") is None


def test_a_directory_in_the_place_of_another_is_not_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that was opened is gone by the time that it is locked."""
    home = make(tmp_path, "one")
    locked = leases._locked

    def lock_late(descriptor: int, kind: int) -> bool:
        home.rename(tmp_path / "away")
        make(tmp_path, "one")
        return locked(descriptor, kind)

    monkeypatch.setattr(leases, "_locked", lock_late)
    assert not leases.hold(home)


def test_what_killed_builders_left_goes_and_what_is_being_built_stays(tmp_path: Path) -> None:
    workshop = tmp_path / BUILDING
    for name in ("dead~1", "dead~2", "alive~1"):
        (workshop / name).mkdir(parents=True)
    with FileLock(workshop / "alive.lock"):
        assert sweep(tmp_path) == 2
    assert [path.name for path in workshop.iterdir() if path.is_dir()] == ["alive~1"]
    assert sweep(tmp_path / "nowhere") == 0
