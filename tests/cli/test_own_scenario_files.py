"""A scenario in somebody's own file, wherever a command takes one; and what is left of it where
the file is gone."""

import json
import shutil
from pathlib import Path

import pytest
from cli_rig import Race, error_of

from race_harness.store.store import Store

EXAMPLE = Path(__file__).parents[1] / "campaign" / "own_scenario.py"


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return Path(shutil.copy(EXAMPLE, tmp_path / "mine.py"))


@pytest.mark.usefixtures("ready")
def test_it_is_run_and_stays_readable_without_its_file(
    race: Race, mine: Path, tmp_path: Path
) -> None:
    options = ("--reps", 20, "--json", "n.json", "--record", "r.db")
    assert race("run", "reference:poll", "--scenario", "mine.py", *options).returncode == 1
    assert json.loads((tmp_path / "n.json").read_text())["scenario"] == "slow-socket"
    mine.unlink()
    (kept,) = (tmp_path / ".race" / "failures").glob("slow-socket-*.json")
    assert json.loads(kept.read_text())["schedule"]["scenario"] == "slow-socket"
    assert race("replay", kept).returncode == 0
    assert race("report", "--record", "r.db", "--markdown").returncode == 0
    with Store(tmp_path / "r.db") as store:
        rows = store.execute(
            "SELECT scenario, drawn, json_extract(trials.schedule, '$.scenario') FROM trials "
            "JOIN series ON series.id = series JOIN campaigns ON campaigns.id = campaign "
            "WHERE command = 'run'"
        ).fetchall()
    # A sample, which is in a rate; and kept whole, since nobody can draw it again.
    assert rows == [("slow-socket", 1, "slow-socket")] * 20


@pytest.mark.usefixtures("ready", "mine")
def test_a_comparison_and_a_hunt_take_it(race: Race, tmp_path: Path) -> None:
    done = race(
        "compare", "reference:poll", "reference", "--scenario", "mine.py:SCENARIO", "--reps", 5
    )
    assert done.returncode == 0, done.stderr
    assert "slow-socket, seed 0" in done.stdout
    hunted = race(
        *("hunt", "reference:poll", "--scenario", "mine.py", "--examples", 30, "--no-confirm"),
        *("--json", "n.json"),
    )
    assert hunted.returncode == 1, hunted.stderr
    (found,) = json.loads((tmp_path / "n.json").read_text())["failures"]
    assert Path(found["path"]).name.startswith("slow-socket-")


@pytest.mark.slow
def test_a_soak_goes_on_with_the_same_content_only(race: Race, mine: Path, tmp_path: Path) -> None:
    def soak(*options: object) -> int:
        return race(
            *("soak", "reference", "--scenario", "mine.py", "--no-confirm", "--record", "r.db"),
            *("--json", "n.json", *options),
        ).returncode

    assert soak("--for", "0.01s") in (0, 1)
    assert soak("--for", "3s", "--resume") in (0, 1)
    with Store(tmp_path / "r.db") as store:
        trials, kept = store.execute("SELECT count(*), count(schedule) FROM trials").fetchone()
    assert trials == kept > 0
    assert soak("--reps", 100, "--baseline", "r.db") == 0
    mine.write_text(mine.read_text() + "# changed\n")
    options = ("--scenario", "mine.py", "--for", "1s", "--resume", "--record", "r.db")
    assert "nothing to resume" in error_of(race("soak", "reference", *options), 2)


@pytest.mark.parametrize(
    "command",
    [
        ("run", "reference", "--scenario"),
        ("compare", "reference", "--scenario"),
        ("hunt", "reference", "--scenario"),
        ("soak", "reference", "--reps", 1, "--scenario"),
        ("bisect", "--good", "1.0.0", "--bad", "1.1.0", "--scenario"),
        ("bisect", "--good", "1.0.0", "--bad", "1.1.0", "--by", "late", "--scenario"),
        ("atlas", "--scenarios"),
    ],
)
def test_a_bad_file_is_one_line(race: Race, tmp_path: Path, command: tuple[object, ...]) -> None:
    assert error_of(race(*command, "none.py"), 2) == (
        "race: cannot read none.py: No such file or directory\n"
    )
    (tmp_path / "bad.py").write_text("x = 1\nraise ValueError('so what')\n")
    assert error_of(race(*command, "bad.py"), 2) == (
        "race: bad.py raises in line 2: ValueError: so what\n"
    )


@pytest.mark.usefixtures("mine")
def test_a_cluster_has_no_file_of_ours(race: Race) -> None:
    options = ("--reps", 1, "--scenario", "mine.py", "--dask", "tcp://127.0.0.1:1")
    assert "FILE.py is here alone" in error_of(race("soak", "reference", *options), 2)


@pytest.mark.usefixtures("ready")
def test_no_failure_file_or_schedule_has_a_file_run(race: Race, tmp_path: Path) -> None:
    """Whatever they call the scenario."""
    (tmp_path / "evil.py").write_text("open('was-run', 'w').close()\n")
    plain = {"scenario": "evil.py", "network": {"socket": {"latency_ms": 500.0}}}
    (tmp_path / "plain.json").write_text(json.dumps(plain))
    options = ("--schedule", "plain.json", "--reps", 2, "--record", "r.db")
    assert race("run", "reference:poll", *options).returncode == 1
    (kept,) = (tmp_path / ".race" / "failures").glob("evil.py-*.json")
    for command in ("replay", "show", "export"):
        assert race(command, kept).returncode == 0
    assert race("report", "--record", "r.db", "--markdown").returncode == 0
    assert not (tmp_path / "was-run").exists()
