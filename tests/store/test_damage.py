"""A damaged record is named, whatever of it is damaged, by whoever reads it."""

import json
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from store_rig import failure, shard, trial

from race_harness.model.errors import UsageError
from race_harness.report.gather import gather
from race_harness.report.html import html_page
from race_harness.report.junit import junit
from race_harness.report.markdown import report_markdown
from race_harness.store.damage import damage_of
from race_harness.store.export import export
from race_harness.store.merge import merge
from race_harness.store.store import Store


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return shard(tmp_path / "record.db", *(trial(number) for number in range(300)))


def read_all(path: Path, folder: Path) -> None:
    """Whatever reads a record."""
    with Store(path, must_exist=True) as store:
        export(store, folder / "csv", "csv", force=True)
    with Store(path, must_exist=True) as store:
        assert list(store.failures())
    with Store(path, must_exist=True) as store:
        view = gather(store, ())
        for told in (html_page, junit, report_markdown):
            assert told(view)


def flipped(content: bytes, chance: random.Random) -> bytes:
    """A few bits, a whole page, or all from somewhere on."""
    changed = bytearray(content)
    match chance.randrange(4):
        case 0:
            page = chance.randrange(len(content) // 4096) * 4096
            changed[page : page + 4096] = chance.randbytes(4096)
        case 1:
            del changed[chance.randrange(len(content)) :]
        case _:
            for _ in range(chance.choice([1, 8, 64])):
                changed[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def tried(content: bytes, seed: int, folder: Path) -> Iterator[str]:
    """What readers say of it, where it is damaged in a way that they notice."""
    path = folder / "flipped.db"
    path.write_bytes(flipped(content, random.Random(seed)))
    try:
        read_all(path, folder)
    except UsageError as error:
        yield str(error)
    (folder / "new.db").unlink(missing_ok=True)
    try:
        with Store(folder / "new.db") as store:
            left = merge(store, path).left
        if left:
            with Store(folder / "new.db", must_exist=True) as store:
                assert damage_of(store.connection) is None
    except UsageError as error:
        yield str(error)


def check_flips(record: Path, seeds: range) -> None:
    content = record.read_bytes()
    said = [line for seed in seeds for line in tried(content, seed, record.parent)]
    assert said
    assert all("\n" not in line for line in said)
    assert all("flipped.db" in line or "a document" in line for line in said)


def test_bits_that_have_flipped_are_named_by_all_readers(record: Path) -> None:
    check_flips(record, range(30))


@pytest.mark.slow
def test_many_bits_that_have_flipped(record: Path) -> None:
    check_flips(record, range(30, 60))


def test_a_whole_record_is_not_damaged(record: Path) -> None:
    read_all(record, record.parent)
    with Store(record) as store:
        assert damage_of(store.connection) is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE trials SET verdicts = 'lat%'", "no such verdict: 'lat%'"),
        ("UPDATE trials SET wall_ms = 'slow'", "'slow' as wall_ms"),
        ("UPDATE trials SET wall_ms = 9e999", "inf as wall_ms"),
        ("UPDATE trials SET schedule = '{'", "trials: "),
        ("UPDATE campaigns SET began = '2026-11)30'", "campaigns: Invalid isoformat string"),
        ("UPDATE campaigns SET plan = '[]'", "a plan is none"),
        ("UPDATE series SET world = 'sin'", "no such combination: ('sin', 'fake')"),
        ("UPDATE series SET server = 'fake:'", "no such combination: ('sim', 'fake:')"),
        ("UPDATE failures SET document = json_set(document, '$.digest', 5)", "failures: "),
    ],
)
def test_a_row_that_makes_no_sense_is_told(record: Path, change: str, says: str) -> None:
    with closing(sqlite3.connect(record)) as connection, connection:
        connection.execute(change)
    with Store(record) as store:
        assert says in str(damage_of(store.connection))


def test_a_mistake_of_ours_is_not_blamed_on_a_whole_record(record: Path) -> None:
    with pytest.raises(ValueError, match="ours"), Store(record):
        raise ValueError("ours")


@pytest.mark.parametrize("change", [{"schema": 0}, {"harness_version": "99.0"}], ids=str)
def test_a_failure_of_another_schema_or_version_is_no_damage(
    record: Path, change: dict[str, Any]
) -> None:
    other = json.dumps({**failure("d0").to_dict(), "verdicts": 7, **change})
    with closing(sqlite3.connect(record)) as connection, connection:
        connection.execute("UPDATE failures SET document = ?", (other,))
        connection.execute("UPDATE series SET server = 'fake:1.58.2'")
    with Store(record) as store:
        assert damage_of(store.connection) is None
