"""A record's tables as files."""

import csv
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from store_rig import SERIES, shard, trial

from race_harness.model.errors import UsageError
from race_harness.model.outcome import Void
from race_harness.model.verdict import TrialResult
from race_harness.store.export import TABLES, export
from race_harness.store.store import Store

WHY = 'refused, "really",\nby the server'
VOID = TrialResult(2, (), "", 0.0, 1.0, void=Void("unreached", WHY))


def read_csv(path: Path) -> list[dict[str, Any]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_parquet(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
    return rows


@pytest.mark.parametrize(
    ("ending", "read", "none"), [("csv", read_csv, ""), ("parquet", read_parquet, None)]
)
def test_every_table_is_a_file_with_all_its_rows(
    tmp_path: Path, ending: str, read: Callable[[Path], list[dict[str, Any]]], none: object
) -> None:
    with Store(shard(tmp_path / "record.db", trial(0), trial(1), VOID)) as store:
        for force in (False, True):  # Again over what is there.
            paths = export(store, tmp_path / "out" / "put", ending, force=force)
            assert [path.name for path in paths] == [f"{name}.{ending}" for name in TABLES]
        assert sorted(path.name for path in paths[0].parent.iterdir()) == sorted(
            path.name for path in paths
        )
        for name, path in zip(TABLES, paths, strict=True):
            rows = store.execute(f"SELECT * FROM {name}").fetchall()
            found = [tuple(row.values()) for row in read(path)]
            told = [tuple(none if value is None else value for value in row) for row in rows]
            assert found == ([tuple(map(str, row)) for row in told] if ending == "csv" else told)
    voids = [row["void"] for row in read(paths[TABLES.index("trials")])]
    assert voids == [none, none, WHY]


def test_a_table_that_is_there_is_replaced_only_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "series.csv").write_text("precious")
    with Store(None) as store:
        with pytest.raises(UsageError, match=r"series\.csv exists already .* add --force"):
            export(store, tmp_path, "csv")
        assert [path.name for path in tmp_path.iterdir()] == ["series.csv"]
        assert (tmp_path / "series.csv").read_text() == "precious"
        export(store, tmp_path, "csv", force=True)
    assert (tmp_path / "series.csv").read_text() != "precious"


def test_a_table_without_rows_has_its_columns(tmp_path: Path) -> None:
    with Store(None) as store:
        *_, trials, _failures = export(store, tmp_path, "parquet")
    assert pyarrow.parquet.read_schema(trials).names[:3] == ["series", "number", "verdicts"]


@pytest.mark.slow
def test_more_rows_than_fit_in_memory(tmp_path: Path) -> None:
    """Taken for less than a tenth of them."""
    rows = 50_000
    with Store(None) as store:
        series = store.campaign("run", {}).series(SERIES)
        store.execute(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT ?) "
            "INSERT INTO trials "
            "SELECT ?, i, 'ok', hex(randomblob(16)), 1.5, 2.5, NULL, NULL, NULL, 0 FROM n",
            (rows, series.id),
        )
        tracemalloc.start()
        try:
            everything = store.execute("SELECT * FROM trials").fetchall()
            _, all_at_once = tracemalloc.get_traced_memory()
            del everything
            tracemalloc.reset_peak()
            export(store, tmp_path, "csv")
            _, streamed = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        export(store, tmp_path, "parquet")
    assert streamed < all_at_once / 10
    assert pyarrow.parquet.read_metadata(tmp_path / "trials.parquet").num_rows == rows


def test_without_pyarrow_the_way_to_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with Store(None) as store:
        with pytest.raises(UsageError, match=r"pip install 'race-harness\[parquet\]'"):
            export(store, tmp_path / "out", "parquet")
        assert not (tmp_path / "out").exists()
        export(store, tmp_path / "out", "csv")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with Store(None) as store, pytest.raises(UsageError, match=r"cannot write to .*file"):
        export(store, tmp_path / "file", "csv")
