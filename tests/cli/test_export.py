"""The exported test must fail where the client loses the race and pass where it does not."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_rig import Race, error_of

from race_harness.campaign.campaign import examine
from race_harness.campaign.resolve import find_client
from race_harness.model.errors import ClientUnavailable, UsageError
from race_harness.model.failure import Failure
from race_harness.model.schedule import RestFault, Schedule
from race_harness.testing import assert_schedule_passes
from race_harness.workers.pool import Workers


@pytest.fixture
def folder(late: Failure, tmp_path: Path) -> Path:
    """A folder that is nobody's repository, with the failure file in it."""
    late.write(tmp_path / "failure.json")
    return tmp_path


def run_test(folder: Path, client: str) -> subprocess.CompletedProcess[str]:
    """The exported test as somebody else runs it."""
    environment = {**os.environ, "RACE_CLIENT": client}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_race.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.slow
def test_the_exported_test_fails_and_passes_with_the_client(
    race: Race, folder: Path, late: Failure, workers: Callable[[str], Workers]
) -> None:
    # Of a client that is ready sooner than the one that trusts a poll.
    name = "reference:eager"
    examine(find_client(name, pytest.fail), workers(name), late.schedule).write(
        folder / "failure.json"
    )
    assert race("export", "failure.json").returncode == 0
    broken = run_test(folder, name)
    assert broken.returncode == 1, broken.stdout
    assert "AssertionError: early: client reference:eager" in broken.stdout
    assert "server.publish_ms = 400.0 (benign: 0.5)" in broken.stdout
    assert "1 failed" in broken.stdout
    fixed = run_test(folder, "reference")
    assert fixed.returncode == 0, fixed.stdout
    assert "1 passed" in fixed.stdout
    # What failed can be replayed from where it was found.
    (kept,) = (folder / ".race" / "failures").glob("*.json")
    assert Failure.read(kept).schedule == late.schedule
    assert f"race replay {kept.relative_to(folder)}" in broken.stdout


def test_tests_that_are_there_are_not_overwritten(race: Race, folder: Path) -> None:
    (folder / "test_race.py").write_text("precious")
    assert error_of(race("export", "failure.json"), 2) == (
        "race: test_race.py exists already: remove it, or name another file with -o\n"
    )
    assert (folder / "test_race.py").read_text() == "precious"
    assert race("export", "failure.json", "-o", "test_other.py").returncode == 0
    assert "def test_final_events_late_" in (folder / "test_other.py").read_text()
    printed = race("export", "failure.json", "-o", "-")
    assert printed.returncode == 0
    assert printed.stdout == (folder / "test_other.py").read_text()


@pytest.mark.usefixtures("ready")
def test_the_function_says_what_happened(
    late: Failure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert_schedule_passes(late.schedule.to_dict(), client="reference")
    with pytest.raises(AssertionError, match=r"^late: client reference:poll"):
        assert_schedule_passes(late.schedule.to_dict(), client="reference:poll")


@pytest.mark.usefixtures("ready")
def test_a_schedule_that_never_reaches_run_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    down = RestFault("status", "create", times=10_000, since="start")
    broken = Schedule("any", rest=(down,))
    with pytest.raises(AssertionError, match="run\\(\\) was never reached"):
        assert_schedule_passes(broken.to_dict(), client="reference")
    assert list(tmp_path.iterdir()) == []


def test_bad_input_is_the_harness_errors(late: Failure) -> None:
    with pytest.raises(UsageError, match="schedule field 'scenario'"):
        assert_schedule_passes({})
    with pytest.raises(UsageError):
        assert_schedule_passes(late.schedule.to_dict(), client="reference:no-such-bug")
    with pytest.raises(ClientUnavailable):
        assert_schedule_passes(late.schedule.to_dict(), client="/no/such/checkout")
