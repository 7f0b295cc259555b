"""What is found out on this machine, and on some that are not as they should be."""

import fcntl
import os
import socket
import sys
import tempfile
from pathlib import Path

import pytest
from filelock import FileLock

from race_harness.doctor import probing
from race_harness.doctor.index_question import ask_index
from race_harness.environments import cache, pruning
from race_harness.store.health import health_of
from race_harness.store.store import Store
from race_harness.upkeep.temporary import TemporaryFolder, abandoned_folders


@pytest.mark.slow
def test_an_index_that_never_answers_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://me:secret@127.0.0.1:{silent.getsockname()[1]}/simple/"
        answer = ask_index({**os.environ, "UV_DEFAULT_INDEX": url}, limit_s=0.5)
    assert answer.problem is not None
    assert answer.problem.endswith("has not answered in 0.5 s")
    assert "secret" not in answer.problem


@pytest.mark.slow
def test_an_index_that_is_not_there_says_so() -> None:
    answer = ask_index({**os.environ, "UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple/"})
    assert answer.problem is not None
    assert answer.problem.startswith("the package index http://127.0.0.1:9/simple/ does not")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    assert probing.problem_of(tmp_path / "not" / "yet" / "there") is None
    (tmp_path / "file").touch()
    problem = probing.problem_of(tmp_path / "file" / "below")
    assert problem == f"{tmp_path / 'file'} is no folder"
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_how_a_record_is(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    assert (health_of(path).trials, health_of(path).problem) == (None, None)
    assert not path.exists()
    Store(path).close()
    assert (health_of(path).trials, health_of(path).problem) == (0, None)
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    assert "is damaged" in (health_of(path).problem or "")
    path.write_text("a diary\n" * 500)
    assert "is no record" in (health_of(path).problem or "")


def test_tools_that_are_held() -> None:
    before = probing.held_tools()
    free = next(number for number in range(6) if number not in before)
    sys.monitoring.use_tool_id(free, "a profiler")
    try:
        assert probing.held_tools() == {**before, free: "a profiler"}
    finally:
        sys.monitoring.free_tool_id(free)


def test_folders_of_killed_runs_and_not_of_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with TemporaryFolder() as used:
        killed = tmp_path / "race-held-killed"
        killed.mkdir()
        (tmp_path / "somebody-elses").mkdir()
        assert abandoned_folders() == [killed]
        assert used.exists()
        descriptor = os.open(killed, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert abandoned_folders() == []
        os.close(descriptor)
    assert killed.exists()


def test_what_killed_builds_left_and_not_what_is_built(tmp_path: Path) -> None:
    workshop = tmp_path / cache.BUILDING
    (workshop / "release-1~abc").mkdir(parents=True)
    (workshop / "release-2~abc").mkdir()
    with FileLock(workshop / "release-2.lock"):
        assert cache.leftovers(tmp_path) == [workshop / "release-1~abc"]
    assert (workshop / "release-1~abc").exists()


def test_the_cache_is_measured_as_far_as_time_allows(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x" * 10_000)
    (tmp_path / "two" / "linked").hardlink_to(tmp_path / "one" / "file")
    (tmp_path / cache.BUILDING).mkdir()
    entries, size, whole = pruning.measured(tmp_path, within_s=60.0)
    assert (entries, whole) == (2, True)
    assert 20_000 <= size < 30_000
    assert pruning.measured(tmp_path, within_s=-1.0)[2] is False
    assert pruning.measured(tmp_path / "none", within_s=1.0) == (0, 0, True)
