"""The record: what is told is there, whoever else writes and whatever ends the process."""

import contextlib
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from sqlite_utils import Database, Migrations

from race_harness.model.errors import UsageError
from race_harness.model.evidence import Evidence
from race_harness.model.failure import Failure
from race_harness.model.outcome import Void
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import Judgement, TrialResult
from race_harness.store.migrations import every, migrations
from race_harness.store.schema import APPLICATION_ID
from race_harness.store.series import Series, SeriesRecord
from race_harness.store.store import VARIABLE, Store, default_path

SERIES = Series(0, "1.10.0", "1.10.0", "sim", "fake", "", "final-events", 7, drawn=True)
OK = TrialResult(0, ("ok",), "d0", 1.5, 12.0)


def failure(**other: object) -> Failure:
    evidence = (Evidence("late", "3 events persisted before run() returned", ({"id": "4"},)),)
    made = Failure(
        schedule=Schedule("final-events"),
        judgement=Judgement(("late",), evidence),
        digest="d1",
        client="1.10.0",
        resolved_version="1.10.0",
        server="fake",
        world="sim",
        happenings=({"at_ms": 0.0, "lane": "client", "what": "run-called"},),
        stacks={},
    )
    return replace(made, **other)  # type: ignore[arg-type]


def test_what_was_told_is_read_again(tmp_path: Path) -> None:
    results = [
        OK,
        TrialResult(1, ("early", "late"), "d1", 2.5, 13.0),
        TrialResult(2, (), "", 0.0, 1.0, void=Void("unreached", "the connection was refused")),
    ]
    with Store(tmp_path / "below" / "record.db") as store:
        series = store.campaign("run", {"reps": 3}).series(SERIES)
        for result in reversed(results):
            series.trial(result)
    with Store(tmp_path / "below" / "record.db") as store:
        (identity,) = store.execute("SELECT id FROM campaigns").fetchone()
        again = store.campaign("run", {}, identity=identity).series(SERIES)
        assert list(again.results()) == results
        assert again.numbers() == {0, 1, 2}


def test_a_trial_is_counted_once() -> None:
    with Store(None) as store:
        series = store.campaign("run", {}).series(SERIES)
        series.trial(OK)
        series.trial(replace(OK, verdicts=("late",)))
        assert list(series.results()) == [OK]


def test_schedules_that_no_seed_gives_are_kept() -> None:
    schedule = Schedule("final-events", entropy=3)
    with Store(None) as store:
        series = store.campaign("hunt", {}).series(replace(SERIES, drawn=False))
        assert [series.next_trial(OK, schedule), series.next_trial(OK, schedule)] == [0, 1]
        rows = store.execute("SELECT number, schedule FROM trials").fetchall()
    assert rows == [(0, schedule.to_json()), (1, schedule.to_json())]


def test_a_failure_is_kept_whole_and_can_be_asked_for_by_part() -> None:
    before = failure()
    with Store(None) as store:
        series = store.campaign("run", {}).series(SERIES)
        series.trial(TrialResult(4, ("late",), "d1", 1.0, 2.0))
        series.failure(failure(neighbour="not known yet"))
        series.failure(before, Path("late.json"))
        ((cause, path, document, says),) = store.execute(
            "SELECT cause, path, document, json_extract(evidence, '$[0].says') FROM failures"
        ).fetchall()
    assert Failure.from_json(document, "the record") == before
    assert (cause, path) == ("late: # events persisted before run() returned", "late.json")
    assert says == "3 events persisted before run() returned"


def test_a_client_that_has_moved_on_does_not_join_what_it_was() -> None:
    latest = replace(SERIES, client="latest")
    with Store(None) as store:
        campaign = store.campaign("soak", {})
        campaign.series(latest)
        campaign.series(latest)
        with pytest.raises(UsageError, match=r"latest was 1\.10\.0 .* and is 1\.11\.1 now"):
            campaign.series(replace(latest, resolved_version="1.11.1"))


@pytest.mark.parametrize("content", [b"not at all a database" * 100, None], ids=["text", "SQLite"])
def test_a_file_that_is_something_else_stays_as_it_is(
    tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "other.db"
    if content is not None:
        path.write_bytes(content)
    else:
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE mine (text)")
        other.close()
    before = path.read_bytes()
    with pytest.raises(UsageError, match="is no record"):
        Store(path)
    assert path.read_bytes() == before


def test_a_record_of_a_newer_harness_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    with Store(path) as store:
        store.execute(
            f"INSERT INTO {migrations.migrations_table} (migration_set, name, applied_at) "
            "VALUES ('race-harness', '9999 from the future', '')"
        )
    with pytest.raises(UsageError, match="newer race-harness"):
        Store(path)


def test_a_record_of_the_first_days_becomes_like_the_others(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    with Store(path) as store:
        shard = store.campaign("run", {}).series(SERIES)
        shard.trial(OK)
        store.execute("ALTER TABLE series DROP COLUMN skipped")
        store.execute(
            f"DELETE FROM {migrations.migrations_table} WHERE name = '0002 skipped series'"
        )
    with Store(path) as store:
        campaign = store.campaign("atlas", {})
        campaign.skip(SERIES, "cannot be resolved")
        rows = store.execute("SELECT skipped FROM series ORDER BY id").fetchall()
        assert rows == [(None,), ("cannot be resolved",)]
        assert store.execute("SELECT count(*) FROM trials").fetchone() == (1,)


def test_a_record_that_must_exist_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no record"):
        Store(tmp_path / "none.db", must_exist=True)
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot use the record .*file/record\.db"):
        Store(tmp_path / "file" / "record.db")


def test_the_environment_names_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "mine.db"))
    assert default_path() == tmp_path / "mine.db"
    monkeypatch.delenv(VARIABLE)
    assert default_path().name == "record.db"


WRITER = """
import sys
from pathlib import Path
from race_harness.store.series import Series
from race_harness.store.store import Store
from race_harness.model.verdict import TrialResult

path, name, trials = sys.argv[1:]
with Store(Path(path)) as store:
    campaign = store.campaign("soak", {}, identity=name)
    series = campaign.series(
        Series(0, "1.10.0", "1.10.0", "sim", "fake", "", "final-events", 7, drawn=True)
    )
    for number in range(int(trials)):
        series.trial(TrialResult(number, ("ok",), "d", 1.0, 1.0))
        print(number, flush=True)
"""

Writer = Callable[[str, int], "subprocess.Popen[str]"]


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    """Starts a process that writes so many trials of a campaign and prints each that is there."""

    def start(name: str, trials: int) -> "subprocess.Popen[str]":
        arguments = [str(tmp_path / "record.db"), name, str(trials)]
        return subprocess.Popen(
            [sys.executable, "-c", WRITER, *arguments], stdout=subprocess.PIPE, text=True
        )

    return start


def numbers(path: Path, name: str) -> list[int]:
    with Store(path, must_exist=True) as store:
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = store.execute(
            "SELECT number FROM trials JOIN series ON series = series.id WHERE campaign = ? "
            "ORDER BY number",
            (name,),
        )
        return [number for (number,) in rows]


def test_two_processes_write_at_once(tmp_path: Path, writer: Writer) -> None:
    both = [writer(name, 400) for name in ("a", "b")]
    assert [process.wait(60) for process in both] == [0, 0]
    for process, name in zip(both, ("a", "b"), strict=True):
        process.communicate()
        assert numbers(tmp_path / "record.db", name) == list(range(400))


@pytest.mark.slow
def test_killed_at_any_moment_it_has_every_trial_that_was_told(
    tmp_path: Path, writer: Writer
) -> None:
    coin = random.Random(1832)
    for attempt in range(4):
        name = f"attempt {attempt}"
        process = writer(name, 1_000_000)
        assert process.stdout is not None
        told = -1
        for _ in range(coin.randrange(1, 300)):
            told = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        rest = process.communicate()[0].splitlines()
        told = int(rest[-1]) if rest else told
        found = numbers(tmp_path / "record.db", name)
        # One more may have been written and not told of yet.
        assert found in (list(range(told + 1)), list(range(told + 2)))


def test_a_record_from_before_void_trials_had_kinds(tmp_path: Path) -> None:
    path = tmp_path / "older.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        older = Migrations(migrations.name)
        for migration in every()[:2]:
            older(name=migration.name)(migration.fn)
        older.apply(Database(connection, execute_plugins=False))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA foreign_keys = OFF")
        reasons = (
            "not run: no stop hooks",
            "the client cannot do what the schedule asks for: pause: NotImplementedError: ",
            "OSError: refused",
            None,
        )
        connection.executemany(
            "INSERT INTO trials VALUES (1, ?, '', '', 0.0, 1.0, ?, NULL)", enumerate(reasons)
        )
    with Store(path) as store:
        voids = [result.void for result in SeriesRecord(store, 1).results()]
    assert voids == [
        Void("not-run", "no stop hooks"),
        Void("unfit", "pause: NotImplementedError: "),
        Void("unreached", "OSError: refused"),
        None,
    ]
    assert [void.says for void in voids if void is not None] == [*reasons[:3]]
