"""`--invariant`: what `run()` of a `RemoteConversation` in a test is held to."""

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from race_harness.campaign.resolve import find_tests
from race_harness.model.combination import Combination
from race_harness.model.errors import UsageError
from race_harness.model.schedule import Link, Network, Schedule
from race_harness.workers.pool import Workers
from race_harness.workers.selection import Selection

FILE = Path(__file__).with_name("remote_conversations.py")
SLOW_SOCKET = Network(socket=Link(500.0))


def named(test: str) -> str:
    return f"{FILE.name}::{test}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("project")
    (made / "pytest.ini").write_text("[pytest]\n")
    shutil.copy(FILE, made)
    return made


@pytest.fixture(scope="module")
def workers(folder: Path) -> Iterator[Workers]:
    selection = Selection((str(folder / FILE.name),), child_processes=True, invariant=True)
    adapter = selection.to_adapter()
    with Workers(sys.executable, adapter, 1, Combination("sim", "own")) as workers:
        workers.wait_ready()
        yield workers


@pytest.mark.slow
@pytest.mark.parametrize("test", ["test_a_run", "test_two_runs"])
@pytest.mark.parametrize("network", [Network(), SLOW_SOCKET])
def test_a_right_client_passes(workers: Workers, test: str, network: Network) -> None:
    result, trial = workers.run_whole(Schedule(named(test), network=network))
    assert (result.void, result.verdicts) == (None, ("ok",))
    told = [entry["what"] for entry in trial.happenings]
    runs = 2 if test == "test_two_runs" else 1
    for what in ("run-called", "run-accepted", "run-started", "run-ended", "run-returned"):
        assert told.count(what) == runs
    persisted, visible = (
        {entry["event"] for entry in trial.happenings if entry["what"] == what}
        for what in ("persisted", "visible")
    )
    assert len(persisted) > 5
    assert persisted <= visible


@pytest.mark.slow
def test_a_client_that_returns_too_early_is_early(workers: Workers) -> None:
    result, trial = workers.run_whole(Schedule(named("test_an_impatient_client")))
    assert result.verdicts == ("early",)
    assert [entry.fact for entry in trial.evidence][:1] == ["run-not-over"]


@pytest.mark.slow
@pytest.mark.parametrize("test", ["test_no_conversation", "test_a_run_that_nobody_waits_for"])
def test_where_there_is_nothing_to_hold_to_it_there_is_no_verdict(
    workers: Workers, test: str
) -> None:
    result, _ = workers.run_whole(Schedule(named(test)))
    assert result.void is not None
    assert (result.void.kind, result.verdicts) == ("unwatched", ())
    assert "has called no run() of a RemoteConversation" in result.void.says


@pytest.mark.slow
def test_a_failure_is_one_all_the_same(workers: Workers) -> None:
    result, _ = workers.run_whole(Schedule(named("test_that_fails_without_one")))
    assert result.verdicts == ("failed",)


@pytest.mark.slow
@pytest.mark.index
@pytest.mark.parametrize(
    ("release", "network", "verdicts"),
    [
        pytest.param("1.10.0", Network(), ("ok",), marks=pytest.mark.nightly),
        ("1.10.0", SLOW_SOCKET, ("early",)),
        pytest.param("1.11.1", SLOW_SOCKET, ("ok",), marks=pytest.mark.nightly),
    ],
)
def test_releases_before_and_after_the_repair(
    folder: Path, release: str, network: Network, verdicts: tuple[str, ...]
) -> None:
    test = named("test_a_run")
    selection = Selection((f"{folder}/{test}",), child_processes=True, invariant=True)
    client = find_tests(release, selection, (), lambda _line: None)
    with client.workers() as workers:
        workers.wait_ready()
        result, trial = workers.run_whole(Schedule(test, network=network))
    assert (result.void, result.verdicts) == (None, verdicts)
    for entry in trial.evidence:
        assert entry.fact == "unseen-at-return"
        tools = [event["kind"] for event in entry.events]
        assert tools[:2] == ["ActionEvent(finish)", "ObservationEvent(finish)"]
        assert not any(event["framed"] for event in entry.events)


def test_it_is_for_environments_with_an_agent_server(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "test_bare.py").write_text("def test_a():\n    pass\n")
    (folder / "openhands.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    adapter = Selection((str(folder / "test_bare.py"),), invariant=True).to_adapter()
    with (
        Workers(sys.executable, adapter, 1, Combination("sim", "own")) as workers,
        pytest.raises(UsageError, match="which are not installed beside the tests") as caught,
    ):
        workers.wait_ready()
    assert "\n" not in str(caught.value)
