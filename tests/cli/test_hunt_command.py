"""`race hunt` as people and scripts call it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cli_rig import Race

from race_harness.model.errors import WorldBroken
from race_harness.model.failure import Failure
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import TrialResult
from race_harness.model.version import __version__
from race_harness.search.families import NAMES
from race_harness.workers.pool import Workers
from race_harness.workers.protocol import RunTrial, TrialDone

FINDING = {
    "path",
    "verdict",
    "cause",
    "found_at_trial",
    "shrink_executions",
    "shrunk",
    "non_default_fields",
    "seconds",
    "confirmed",
}


@pytest.mark.usefixtures("ready")
def test_what_a_hunt_finds_is_1_with_numbers_and_a_file_with_its_neighbour(
    race: Race, tmp_path: Path
) -> None:
    done = race(
        "hunt", "reference:deaf", "--scenario", "cut-at-run", "--examples", 3, "--json", "n.json"
    )
    assert done.returncode == 1
    assert "3 schedules in " in done.stdout
    assert ": 1 distinct failures" in done.stdout
    numbers = json.loads((tmp_path / "n.json").read_text())
    assert set(numbers) == {
        "schema", "client", "resolved_version", "trials", "shrink_trials", "seconds",
            "worker_seconds", "failures",
    }  # fmt: skip
    head = [numbers[key] for key in ("schema", "client", "resolved_version", "trials")]
    assert head == [1, "reference:deaf", __version__, 3]
    (finding,) = numbers["failures"]
    assert set(finding) == FINDING
    assert (finding["verdict"], finding["found_at_trial"]) == ("lost", 1)
    assert finding["cause"] == "lost: # events persisted and never visible"
    failure = Failure.read(tmp_path / finding["path"])
    assert len(failure.schedule.non_default_fields()) == finding["non_default_fields"] == 1
    assert failure.neighbour is not None
    assert failure.neighbour.startswith("It passes without network.faults[0] (reset of socket")
    assert failure.server_version == "1.58.0"
    # The reference client is no release of anything: nothing is tried by itself.
    assert (failure.confirmed, finding["confirmed"]) == ({}, {})
    assert "\n    not tried on the real server\n" in done.stdout
    assert f"race replay {finding['path']}" in done.stdout


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["--faults", "socket,rest"], "socket+rest"),
        (["--faults", "rest", "--scenario", "clean"], "clean"),
        (["--faults", "all", "--scenario", "clean", "--scenario", "final-events"], None),
    ],
    ids=["alone", "with a scenario", "all with two"],
)
def test_faults_are_added_and_a_client_that_survives_them_is_0(
    race: Race, monkeypatch: pytest.MonkeyPatch, arguments: list[str], name: str | None
) -> None:
    seen = trials(monkeypatch)
    done = race("hunt", "reference", *arguments, "--examples", 150, "--json", "-")
    assert done.returncode == 0, done.stderr
    numbers = json.loads(done.stdout)
    assert (numbers["trials"], numbers["failures"]) == (150, [])
    names = {schedule.scenario for schedule in seen}
    assert names == ({name} if name else {"clean", "final-events"})
    assert all(schedule.departures() == () for schedule in seen)
    assert any(schedule.rest for schedule in seen)


@pytest.mark.usefixtures("ready")
def test_all_is_every_family_alone(race: Race, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = trials(monkeypatch)
    assert race("hunt", "reference", "--faults", "all", "--examples", 200).returncode == 0
    assert {schedule.scenario for schedule in seen} == {"+".join(NAMES)}
    paths = {path for schedule in seen for path in schedule.non_default_fields()}
    for part in ("server.", "network.", "rest[", "caller.", "script.", "interleaving."):
        assert any(path.startswith(part) for path in paths), part


def trials(monkeypatch: pytest.MonkeyPatch) -> list[Schedule]:
    """What a hunt tries from now on; every trial passes without being run."""
    seen: list[Schedule] = []

    def passes(
        _workers: Workers, asked: Callable[[], RunTrial | None], _ahead: int
    ) -> Iterator[TrialDone]:
        while (trial := asked()) is not None:
            seen.append(trial.schedule)
            yield TrialDone(TrialResult(trial.index, ("ok",), "", 1.0, 1.0))

    monkeypatch.setattr(Workers, "serve", passes)
    return seen


def test_a_hunt_whose_trial_leaves_its_world_is_4_with_what_was_found_and_the_schedule(
    race: Race, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    serve = Workers.serve

    def breaks(
        workers: Workers, asked: Callable[[], RunTrial | None], ahead: int
    ) -> Iterator[TrialDone]:
        seen: list[RunTrial] = []

        def noted() -> RunTrial | None:
            trial = asked()
            seen.extend([] if trial is None else [trial])
            return trial

        for number, done in enumerate(serve(workers, noted, ahead)):
            yield done
            if number == 60:
                error = WorldBroken("the server failed")
                error.trial = seen[0]
                raise error

    monkeypatch.setattr(Workers, "serve", breaks)
    hunt = ("hunt", "reference:deaf", "--scenario", "cut-at-run", "--examples", 200)
    done = race(*hunt, "--json", "n.json")
    assert done.returncode == 4
    (finding,) = json.loads((tmp_path / "n.json").read_text())["failures"]
    assert Failure.read(tmp_path / finding["path"]).judgement.headline == "lost"
    (broken,) = (tmp_path / ".race").glob("broken-*.json")
    assert Schedule.from_dict(json.loads(broken.read_text())).scenario == "cut-at-run"
    told = f"race run reference:deaf --reps 1 --schedule {broken.relative_to(tmp_path)}"
    assert told in " ".join(done.stderr.split())


def test_shrinking_has_a_budget(race: Race) -> None:
    hunt = ("hunt", "reference:deaf", "--scenario", "cut-at-run", "--examples", 20)
    done = race(*hunt, "--shrink", 0)
    assert done.returncode == 1
    assert "shrinking was stopped after 0 trials; --shrink allows more" in done.stdout
    assert "shrinking was stopped" not in race(*hunt).stdout
