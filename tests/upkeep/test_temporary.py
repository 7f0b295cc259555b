"""Temporary folders go with their process, and what a killed one has left goes with the next."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from race_harness.upkeep.temporary import TemporaryFolder, sweep_folders

OWNER = """
import sys
from race_harness.upkeep.temporary import TemporaryFolder
folder = TemporaryFolder()
(folder.path / "kept").mkdir()
print(folder.path, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def owner() -> tuple["subprocess.Popen[str]", Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_a_folder_is_there_until_it_is_closed() -> None:
    with TemporaryFolder() as path:
        (path / "file").write_text("")
        sweep_folders()
        assert os.listdir(path) == ["file"]
    assert not path.exists()


def test_one_that_is_forgotten_is_removed() -> None:
    folder = TemporaryFolder()
    path = folder.path
    del folder
    assert not path.exists()


def test_one_of_a_killed_process_is_swept_and_one_of_a_living_process_is_not(place: Path) -> None:
    (killed, left), (living, kept) = owner(), owner()
    killed.kill()
    killed.communicate()
    assert (left / "kept").is_dir()
    with TemporaryFolder():
        assert not left.exists()
        assert (kept / "kept").is_dir()
    living.communicate("")
    assert living.returncode == 0
    assert list(place.iterdir()) == []


def test_what_has_another_name_is_left_alone(place: Path) -> None:
    for name in ("race-abc", "race-new-abc", "other"):
        (place / name).mkdir()
    (place / "race-held-file").write_text("")
    (place / "race-held-link").symlink_to(place / "other")
    sweep_folders()
    assert len(list(place.iterdir())) == 5


def test_a_fork_does_not_remove_it() -> None:
    folder = TemporaryFolder()
    child = os.fork()
    if not child:
        folder.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert folder.path.is_dir()
    folder.close()
    assert not folder.path.exists()
