"""The exported test must fail where the client loses the race and pass where it does not."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.campaign.campaign import examine
from harness.campaign.client import find_client
from harness.campaign.pool import Workers
from harness.cli import main
from harness.errors import ClientUnavailable, UsageError
from harness.failure import Failure
from harness.schedule import Link, Network, RestFault, Schedule, ServerTiming
from harness.testing import assert_schedule_passes

SCHEDULE = Schedule(
    "final-events", server=ServerTiming(publish_ms=400.0), network=Network(socket=Link(90.0))
)


@pytest.fixture(scope="module")
def failure(workers: Callable[[str], Workers]) -> Failure:
    name = "reference:poll"
    return examine(find_client(name, lambda _line: None), workers(name), SCHEDULE)


@pytest.fixture
def elsewhere(failure: Failure, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is nobody's repository, with the failure file in it."""
    failure.write(tmp_path / "failure.json")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def race(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["race", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


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


def test_the_exported_test_fails_and_passes_with_the_client(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert race(monkeypatch, "export", "failure.json") == 0
    broken = run_test(elsewhere, "reference:poll")
    assert broken.returncode == 1, broken.stdout
    assert "AssertionError: late: client reference:poll" in broken.stdout
    assert "server.publish_ms = 400.0 (benign: 0.5)" in broken.stdout
    assert "1 failed" in broken.stdout
    fixed = run_test(elsewhere, "reference")
    assert fixed.returncode == 0, fixed.stdout
    assert "1 passed" in fixed.stdout
    # What failed can be replayed from where it was found.
    (kept,) = (elsewhere / ".race" / "failures").glob("*.json")
    assert Failure.read(kept).schedule == SCHEDULE
    assert f"race replay {kept.relative_to(elsewhere)}" in broken.stdout


def test_tests_that_are_there_are_not_overwritten(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "test_race.py").write_text("precious")
    assert race(monkeypatch, "export", "failure.json") == 2
    assert capsys.readouterr().err == (
        "race: test_race.py is there already: remove it, or name another file with -o\n"
    )
    assert (elsewhere / "test_race.py").read_text() == "precious"
    assert race(monkeypatch, "export", "failure.json", "-o", "test_other.py") == 0
    assert "def test_final_events_late_" in (elsewhere / "test_other.py").read_text()
    assert race(monkeypatch, "export", "failure.json", "-o", "-") == 0
    assert capsys.readouterr().out == (elsewhere / "test_other.py").read_text()


def test_the_function_says_what_happened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert_schedule_passes(SCHEDULE.to_dict(), client="reference")
    with pytest.raises(AssertionError, match=r"^late: client reference:poll"):
        assert_schedule_passes(SCHEDULE.to_dict(), client="reference:poll")


def test_a_schedule_that_never_reaches_run_is_no_pass(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    down = RestFault("status", "create", times=10_000, since="start")
    broken = Schedule("any", rest=(down,))
    with pytest.raises(AssertionError, match="run\\(\\) was never reached"):
        assert_schedule_passes(broken.to_dict(), client="reference")
    assert list(tmp_path.iterdir()) == []


def test_bad_input_is_the_harness_errors() -> None:
    with pytest.raises(UsageError, match="schedule field 'scenario'"):
        assert_schedule_passes({})
    with pytest.raises(UsageError):
        assert_schedule_passes(SCHEDULE.to_dict(), client="reference:no-such-bug")
    with pytest.raises(ClientUnavailable):
        assert_schedule_passes(SCHEDULE.to_dict(), client="/no/such/checkout")
