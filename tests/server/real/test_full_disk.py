"""What is written below the home of a server whose disk is full."""

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from race_harness.model.schedule import ProcessEvent, ServerTiming
from race_harness.model.trace import Trace
from race_harness.server.disk import Disk
from race_harness.server.real import full_disk


@pytest.fixture
def _full(tmp_path: Path) -> Iterator[None]:
    trace = Trace(lambda: 0)
    disk = Disk(ServerTiming(process=(ProcessEvent("disk-full"),)), trace)
    (tmp_path / "home").mkdir()
    full_disk.start(disk, tmp_path / "home")
    trace.record("server", "disk-filled", for_ms=1.0)
    yield
    trace.record("server", "disk-freed")
    (tmp_path / "home" / "later").write_text("now")
    assert (tmp_path / "home" / "later").read_text() == "now"


def _by_open(path: Path) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write("text")


def _by_path(path: Path) -> None:
    path.write_text("text")


def _by_descriptor(path: Path) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w") as file:
        file.write("text")
        file.flush()


@pytest.mark.usefixtures("_full")
@pytest.mark.parametrize("write", [_by_open, _by_path, _by_descriptor])
def test_a_file_is_emptied_and_then_not_written(
    write: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "home" / "file"
    path.touch()
    with pytest.raises(OSError, match="No space left") as failure:
        write(path)
    assert failure.value.errno == errno.ENOSPC
    assert path.read_text() == ""


@pytest.mark.usefixtures("_full")
def test_what_is_there_can_be_read_and_other_disks_be_written(tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    beside.write_text("as ever")
    assert beside.read_text() == "as ever"
    with tempfile.TemporaryFile("w+") as file:
        file.write("as ever")
    os.symlink(beside, tmp_path / "home" / "link")
    assert (tmp_path / "home" / "link").read_text() == "as ever"


@pytest.mark.usefixtures("_full")
def test_a_file_that_is_opened_and_not_written_fails_in_nothing(tmp_path: Path) -> None:
    path = tmp_path / "home" / "empty"
    with open(path, "w", encoding="utf-8"):
        pass
    assert path.read_text() == ""
