"""What each command leaves in the record, and what becomes of it."""

import functools
import json
import random
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from cli_rig import RACE, Race, children, error_of

from race_harness.model.failure import Failure
from race_harness.model.verdict import TrialResult
from race_harness.store.series import Series
from race_harness.store.store import Store
from race_harness.workers.pool import CORES, OUTSTANDING, Workers
from race_harness.workers.protocol import RunTrial, TrialDone


def ask(record: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(record)) as connection:
        return connection.execute(sql).fetchall()


def series_of(record: Path) -> list[tuple[Any, ...]]:
    """By command: where its trials ran, whether they were a sample, how many, and how it ended."""
    return ask(
        record,
        "SELECT command, world, server, scenario, drawn, count(*), count(schedule), ending "
        "FROM trials JOIN series ON series.id = series JOIN campaigns ON campaigns.id = campaign "
        "GROUP BY series.id ORDER BY series.id",
    )


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "record.db"


@pytest.fixture
def file(early: Failure, tmp_path: Path) -> Path:
    early.write(tmp_path / "f.json")
    return tmp_path / "f.json"


@pytest.mark.usefixtures("ready")
def test_a_replay_is_recorded_with_its_schedule(race: Race, record: Path, file: Path) -> None:
    assert race("replay", file, "--times", 2, "--record", record).returncode == 0
    assert series_of(record) == [
        ("replay", "sim", "fake", "final-events", 0, 2, 2, "finished"),
    ]
    assert ask(record, "SELECT DISTINCT digest FROM trials") == [(Failure.read(file).digest,)]


@pytest.mark.slow
def test_a_failure_is_confirmed_in_the_record_too(race: Race, record: Path) -> None:
    """Wherever it was found."""
    client = ("reference:eager", "--scenario", "clean", "--record", record)
    assert race("run", *client, "--reps", 1).returncode == 1
    ((path,),) = ask(record, "SELECT path FROM failures")
    arguments = ("--combination", "real-fake", "--tries", 2, "--record", record)
    assert race("confirm", record.parent / path, *arguments).returncode == 1
    assert series_of(record)[1] == ("confirm", "real", "fake", "clean", 0, 2, 2, "finished")
    ((document,),) = ask(record, "SELECT document FROM failures")
    assert Failure.from_json(document, "it") == Failure.read(record.parent / path)
    assert json.loads(document)["confirmed"]["real×fake"]["tries"] == 2


@pytest.mark.usefixtures("ready")
def test_the_search_for_a_neighbour_is_recorded_and_showing_alone_is_not(
    race: Race, record: Path, file: Path
) -> None:
    assert race("show", file, "--no-neighbour", "--record", record).returncode == 0
    assert not record.exists()
    assert race("show", file, "--neighbour", "--record", record).returncode == 0
    ((command, *_, drawn, trials, given, ending),) = series_of(record)
    assert (command, drawn, trials, ending) == ("show", 0, given, "finished")
    assert trials


def test_a_hunt_is_recorded_trial_by_trial_and_its_findings_whole(
    race: Race, record: Path
) -> None:
    hunt = ("hunt", "reference:eager", "--scenario", "clean", "--examples", 2)
    done = race(*hunt, "--json", "-", "--record", record)
    assert done.returncode == 1, done.stderr
    numbers = json.loads(done.stdout)
    (found,) = numbers["failures"]
    ((command, world, server, scenario, drawn, trials, given, ending),) = series_of(record)
    assert (command, world, server, scenario) == ("hunt", "sim", "fake", "clean")
    assert (drawn, given, ending) == (0, trials, "finished")
    assert trials > numbers["trials"] + found["shrink_executions"]
    ((document,),) = ask(record, "SELECT document FROM failures")
    assert Failure.from_json(document, "it") == Failure.read(record.parent / found["path"])
    assert json.loads(document)["neighbour"]


def interrupted(
    after: int,
) -> Callable[[Workers, Callable[[], RunTrial | None], int], Iterator[TrialDone]]:
    """Lets so many trials end, and then it is as if somebody had pressed Ctrl-C."""
    serve = Workers.serve

    def served(
        workers: Workers, asked: Callable[[], RunTrial | None], ahead: int
    ) -> Iterator[TrialDone]:
        for number, done in enumerate(serve(workers, asked, ahead), start=1):
            yield done
            if number == after:
                raise KeyboardInterrupt

    return served


@pytest.mark.usefixtures("ready")
def test_an_interrupted_hunt_tells_and_keeps_what_it_was_shrinking(
    race: Race, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Found in the first, and seen again or shrunk from then on.
    monkeypatch.setattr(Workers, "serve", interrupted(4))
    hunt = ("hunt", "reference:eager", "--scenario", "final-events", "--jobs", 1)
    done = race(*hunt, "--json", "-", "--record", record)
    assert done.returncode == 130
    several = json.loads(done.stdout)["failures"]
    assert "interrupt" in {found["shrunk"] for found in several} <= {"interrupt", "smallest"}
    failures = [Failure.read(record.parent / found["path"]) for found in several]
    assert {failure.judgement.headline for failure in failures} == {"early"}
    assert series_of(record) == [
        ("hunt", "sim", "fake", "final-events", 0, 4, 4, "interrupted"),
    ]
    kept = ask(record, "SELECT path FROM failures")
    assert {path for (path,) in kept} == {found["path"] for found in several}


# killed


@pytest.mark.usefixtures("ready")
@pytest.mark.slow
def test_killed_at_any_moment_the_command_loses_no_trial_that_was_told(
    race: Race, record: Path
) -> None:
    run = ["run", "reference", "--scenario", "clean", "--record", str(record)]
    coin = random.Random(1832)
    for campaigns in (1, 2):
        process = subprocess.Popen([*RACE, *run, "--reps", "500"], stderr=subprocess.DEVNULL)
        try:
            enough = coin.randrange(1, 60)
            until(functools.partial(has_trials, record, campaigns), enough)
            (workers,) = children(process.pid)
            told = trials_of_last(record, campaigns)
        finally:
            process.kill()
            process.wait()
        until(lambda workers: not alive(workers), workers)
        assert ask(record, "PRAGMA integrity_check") == [("ok",)]
        assert ask(record, "PRAGMA foreign_key_check") == []
        rows = ask(
            record,
            "SELECT number, verdicts, length(digest) > 0, virtual_s > 0, wall_ms > 0, void "
            "FROM trials WHERE series = (SELECT max(id) FROM series) ORDER BY number",
        )
        assert told <= len(rows) < 500
        assert all(row[1:] == ("ok", 1, 1, 1, None) for row in rows)
        # What is not there is what was under way then.
        assert rows[-1][0] < len(rows) + OUTSTANDING * CORES
    assert race(*run, "--reps", 5).returncode == 0
    endings = ask(record, "SELECT ending FROM campaigns ORDER BY began")
    assert endings == [(None,), (None,), ("finished",)]
    assert series_of(record)[-1][5] == 5


def trials_of_last(record: Path, campaigns: int) -> int:
    """How many trials the last of so many campaigns has: none as long as it has not begun."""
    try:
        found = ask(
            record,
            "SELECT (SELECT count(*) FROM series JOIN trials ON trials.series = series.id "
            "WHERE series.campaign = campaigns.id) FROM campaigns ORDER BY began",
        )
    except sqlite3.OperationalError:
        return 0  # Its tables are not there yet.
    return int(found[-1][0]) if len(found) == campaigns else 0


def has_trials(record: Path, campaigns: int, enough: int) -> bool:
    return trials_of_last(record, campaigns) >= enough


def alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def until(holds: Callable[[int], bool], value: int) -> None:
    deadline = time.monotonic() + 120
    while not holds(value):
        assert time.monotonic() < deadline
        time.sleep(0.01)


# out of it again


def written(path: Path, failure: Failure) -> None:
    """A record of two trials, the first of which failed."""
    series = Series(0, "1.10.0", "1.10.0", "sim", "fake", "", "clean", 7, drawn=True)
    with Store(path) as store:
        begun = store.campaign("run", {}).series(series)
        begun.trial(TrialResult(0, failure.judgement.verdicts, failure.digest, 1.0, 1.0))
        begun.trial(TrialResult(1, ("ok",), "d", 1.0, 1.0))
        begun.failure(failure)


def test_tables_and_failures_are_exported(
    race: Race, record: Path, file: Path, tmp_path: Path
) -> None:
    written(record, Failure.read(file))
    done = race("export-db", "--record", record, "--csv", "csv", "--failures", "again")
    assert done.returncode == 0, done.stderr
    *tables, failure = done.stdout.splitlines()
    assert "csv/trials.csv" in tables
    assert (tmp_path / "csv" / "trials.csv").read_text().count("\n") == 3
    assert Failure.read(tmp_path / failure) == Failure.read(file)


def test_an_export_to_nowhere_or_of_nothing_is_an_error(race: Race, record: Path) -> None:
    assert "--parquet, --csv or --failures" in error_of(race("export-db"), 2)
    done = race("export-db", "--record", record, "--csv", "csv")
    assert f"no record {record}" in error_of(done, 2)


def test_records_are_merged_and_each_is_told(race: Race, file: Path, tmp_path: Path) -> None:
    for name in ("a.db", "b.db"):
        written(tmp_path / name, Failure.read(file))
    done = race("merge", "all.db", "a.db", "b.db", "a.db")
    assert done.stdout.splitlines() == [
        "a.db: 2 new of 2 trials",
        "b.db: 2 new of 2 trials",
        "a.db: 0 new of 2 trials",
    ]
    assert [row[5] for row in series_of(tmp_path / "all.db")] == [2, 2]
    assert "no record none.db" in error_of(race("merge", "more.db", "none.db"), 2)
