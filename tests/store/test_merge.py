"""Merging records: a union in which nothing counts twice, and no contradiction passes."""

import os
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from sqlite_utils import Database, Migrations
from store_rig import SERIES, confirmed, content, failure, shard, trial

from race_harness.model.combination import SIM_REAL
from race_harness.model.confirmation import Confirmation
from race_harness.model.errors import UsageError
from race_harness.store.merge import Merged, merge
from race_harness.store.migrations import every, migrations
from race_harness.store.store import Store


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.db"


def merged(out: Path, *paths: Path) -> list[Merged]:
    with Store(out) as store:
        return [merge(store, path) for path in paths]


def test_shards_become_one_campaign(tmp_path: Path, out: Path) -> None:
    """As if all of it had been written to one file."""
    even = shard(tmp_path / "even.db", *(trial(number) for number in (0, 2, 4)))
    odd = shard(tmp_path / "odd.db", *(trial(number) for number in (1, 3, 5)))
    assert merged(out, odd, even) == [Merged(3, 3), Merged(3, 3)]
    found = content(out)
    (campaign,) = found["campaigns"]
    assert campaign[0] == "one plan"
    assert campaign[3] == content(even)["campaigns"][0][3]  # Began with the earliest,
    assert campaign[4:6] == (content(odd)["campaigns"][0][4], "finished")  # ended with the latest.
    assert [row[5:7] for row in found["trials"]] == [(n, f"d{n}") for n in range(6)]
    assert [row[2] for row in found["failures"]] == [0, 1]


def test_what_is_merged_again_or_overlaps_counts_once(tmp_path: Path, out: Path) -> None:
    low = shard(tmp_path / "low.db", *(trial(number) for number in range(4)))
    high = shard(tmp_path / "high.db", *(trial(number) for number in range(2, 6)))
    assert merged(out, low, high, low) == [Merged(4, 4), Merged(4, 2), Merged(4, 0)]
    once = content(out)
    assert merged(out, high, low) == [Merged(4, 0), Merged(4, 0)]
    assert content(out) == once
    assert len(once["trials"]) == 6


def test_in_whatever_order(tmp_path: Path) -> None:
    coin = random.Random(7)
    shards = [
        shard(tmp_path / f"{n}.db", *(trial(number) for number in coin.sample(range(9), 4)))
        for n in range(4)
    ]
    with Store(shards[0]) as store:  # One with a campaign of another kind, too.
        hunted = store.campaign("hunt", {}).series(replace(SERIES, drawn=False))
        hunted.next_trial(trial(0, "h"), failure("h").schedule)
    merged(tmp_path / "there.db", *shards)
    merged(tmp_path / "back.db", *reversed(shards))
    assert content(tmp_path / "there.db") == content(tmp_path / "back.db")


def test_into_a_record_of_other_campaigns(tmp_path: Path, out: Path) -> None:
    """Whose series have the same numbers."""
    with Store(out) as store:
        store.campaign("run", {}).series(replace(SERIES, scenario="clean")).trial(trial(0))
    before = content(out)
    path = shard(tmp_path / "in.db", trial(0), trial(1))
    merged(out, path)
    after, there = content(out), content(path)
    for name, rows in there.items():
        assert sorted(after[name], key=repr) == sorted([*before[name], *rows], key=repr)


def test_a_shard_that_runs_still_leaves_the_campaign_open(tmp_path: Path, out: Path) -> None:
    done = shard(tmp_path / "done.db", trial(0))
    going = shard(tmp_path / "going.db", trial(1), ended=False)
    merged(out, done, going)
    assert content(out)["campaigns"][0][4:6] == (None, None)


def test_trouble_in_one_shard_is_that_of_the_campaign(tmp_path: Path, out: Path) -> None:
    paths = [shard(tmp_path / f"{n}.db", trial(n)) for n in range(3)]
    with Store(paths[1]) as store:
        store.campaign("soak", {}, identity="one plan").end("a worker died")
    merged(out, *paths)
    assert content(out)["campaigns"][0][5] == "a worker died"


def test_a_contradiction_is_named_and_nothing_of_the_file_is_taken(
    tmp_path: Path, out: Path
) -> None:
    shard(out, trial(0), trial(1))
    other = shard(tmp_path / "other.db", trial(0), trial(1, "another"), trial(2))
    before = content(out)
    with pytest.raises(UsageError, match=r"other\.db contradicts .*out\.db: trial 1 of 1\.10\.0 "):
        merged(out, other)
    assert content(out) == before


def test_shards_of_two_versions_contradict_each_other(tmp_path: Path, out: Path) -> None:
    latest = replace(SERIES, client="latest")
    shard(out, trial(0), series=latest)
    moved = replace(latest, resolved_version="1.11.1")
    other = shard(tmp_path / "other.db", trial(1), series=moved)
    with pytest.raises(UsageError, match=r"latest in final-events .* is of 1\.11\.1, and was of"):
        merged(out, other)
    assert len(content(out)["trials"]) == 1


def test_of_a_failure_the_one_that_was_confirmed_stays(tmp_path: Path, out: Path) -> None:
    plain = shard(tmp_path / "plain.db", trial(0))
    tried = shard(tmp_path / "tried.db", trial(0))
    known = replace(failure("d0"), confirmed={"sim×real": Confirmation(5, 4, {}, "1.10.0")})
    with Store(tried) as store:
        store.confirmed(known, SIM_REAL)
    for paths in ((plain, tried), (tried, plain)):
        out.unlink(missing_ok=True)
        merged(out, *paths)
        assert confirmed(content(out)["failures"][0][5]) == ["sim×real"]


@pytest.mark.parametrize("killed", [False, True], ids=["closed", "left open"])
def test_what_is_merged_stays_as_it_is(tmp_path: Path, out: Path, killed: bool) -> None:
    there = tmp_path / "in"
    path = shard(there / "in.db", trial(0))
    if killed:
        # As a process leaves it that was killed: the last trials are beside the file still.
        writer = Store(path)
        shard(path, trial(1))
        copy = tmp_path / "copy"
        copy.mkdir()
        for name in ("in.db", "in.db-wal"):
            (copy / name).write_bytes((there / name).read_bytes())
        writer.close()
        there = copy
        path = there / "in.db"
    before = {name: (there / name).read_bytes() for name in os.listdir(there)}
    assert merged(out, path) == [Merged(1 + killed, 1 + killed)]
    after = {name: (there / name).read_bytes() for name in os.listdir(there)}
    assert {name: after[name] for name in before} == before
    if not killed:
        assert after.keys() == before.keys()


def more_tables() -> Migrations:
    """Those of today, and one of a release to come."""
    later = Migrations(migrations.name)
    for migration in every():
        later(name=migration.name)(migration.fn)

    @later(name="9998 hosts")
    def _hosts(database: Database) -> None:
        database.execute("ALTER TABLE environments ADD COLUMN host TEXT")

    return later


def test_an_older_record_opens_with_all_it_holds_and_merges_without_being_touched(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    older = [shard(tmp_path / name, trial(0)) for name in ("opened.db", "merged.db")]
    before = content(older[0])
    as_it_was = older[1].read_bytes()
    monkeypatch.setattr("race_harness.store.migrations.migrations", more_tables())
    with Store(older[0]) as store:
        assert store.execute("SELECT host FROM environments").fetchall() == [(None,)]
    assert content(older[0]) == before
    assert merged(out, older[1]) == [Merged(1, 1)]
    assert older[1].read_bytes() == as_it_was
    assert content(out)["trials"] == before["trials"]
    monkeypatch.undo()
    with pytest.raises(UsageError, match=r"opened\.db was written by a newer race-harness"):
        merged(tmp_path / "other.db", older[0])


@pytest.mark.parametrize("content_", [None, b"", b"no database" * 999], ids=["none", "0", "text"])
def test_what_is_no_record_is_named(tmp_path: Path, out: Path, content_: bytes | None) -> None:
    path = tmp_path / "in.db"
    if content_ is not None:
        path.write_bytes(content_)
    with pytest.raises(UsageError, match=r"no record .*in\.db|in\.db is no record"):
        merged(out, path)


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """Of its 500 trials those on the last pages are gone."""
    path = shard(tmp_path / "in.db", *(trial(number) for number in range(500)))
    path.write_bytes(path.read_bytes()[:-8192])
    return path


def test_a_damaged_record_is_named(out: Path, damaged: Path) -> None:
    """It could spoil what is there."""
    shard(out, trial(1000))
    with pytest.raises(UsageError, match=r"in\.db is damaged: .*race merge NEW\.db .*in\.db"):
        merged(out, damaged)
    assert len(content(out)["trials"]) == 1


def test_of_a_damaged_record_what_can_be_read_is_saved_in_a_new_one(
    out: Path, damaged: Path
) -> None:
    whole = shard(out.with_name("whole.db"), *(trial(number) for number in range(500)))
    (found,) = merged(out, damaged)
    assert "is damaged" in found.left[0]
    assert "trials of 1.10.0 in final-events from " in found.left[1]
    saved = content(out)["trials"]
    assert 0 < len(saved) == found.new < 500
    assert set(saved) < set(content(whole)["trials"])


def test_of_a_whole_record_nothing_is_left_behind(tmp_path: Path, out: Path) -> None:
    (found,) = merged(out, shard(tmp_path / "in.db", trial(0), trial(1)))
    assert found == Merged(2, 2, ())


def test_rows_that_make_no_sense_are_left_behind(tmp_path: Path, out: Path) -> None:
    path = shard(tmp_path / "in.db", trial(0), trial(1), trial(2))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE trials SET verdicts = 'lat\x05' WHERE number = 1")
    (found,) = merged(out, path)
    assert found.new == 2
    assert "no such verdict" in found.left[1]
    assert found.left[1].startswith("1 of the trials")


def test_trials_of_lost_campaigns_are_saved(tmp_path: Path, out: Path) -> None:
    path = shard(tmp_path / "in.db", trial(0), trial(1))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE campaigns SET plan = '{'")
        connection.execute("UPDATE environments SET cores = 'many'")
    (found,) = merged(out, path)
    assert found.new == 2
    assert [row[:3] for row in content(out)["campaigns"]] == [("one plan", "lost", "{}")]


def test_a_record_is_not_merged_into_itself(out: Path) -> None:
    shard(out, trial(0))
    with pytest.raises(UsageError, match="both a source and the target of the merge"):
        merged(out, out)


def test_what_was_left_out_is_taken_along(tmp_path: Path, out: Path) -> None:
    path = shard(tmp_path / "shard.db", trial(0))
    with Store(path) as store:
        store.campaign("atlas", {}).skip(SERIES, "cannot be resolved")
    merged(out, path)
    with Store(out) as store:
        skipped = store.execute(
            "SELECT command, skipped FROM series JOIN campaigns ON "
            "campaigns.id = campaign ORDER BY command"
        ).fetchall()
    assert skipped == [("atlas", "cannot be resolved"), ("soak", None)]


def test_while_somebody_writes_to_it(tmp_path: Path, out: Path) -> None:
    path = shard(tmp_path / "in.db", trial(0), ended=False)
    with Store(path) as writer:
        series = writer.campaign("soak", {}, identity="one plan").series(SERIES)
        series.trial(trial(1))
        assert merged(out, path) == [Merged(2, 2)]
        series.trial(trial(2))
    assert merged(out, path) == [Merged(3, 1)]
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM trials").fetchone() == (3,)
