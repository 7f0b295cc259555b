"""The tables of a record for other programs, row by row: a million rows need little memory."""

import contextlib
import csv
from collections.abc import Callable, Iterator, Sequence
from itertools import batched
from pathlib import Path
from typing import Any, Final

from race_harness.model.errors import UsageError
from race_harness.model.extras import extra
from race_harness.store.store import Store

TABLES: Final = ("environments", "campaigns", "series", "trials", "failures")

_BATCH: Final = 5_000
"""Rows that are in memory at once."""

Columns = Sequence[tuple[str, str]]
"""Names, and types as in the schema."""

Rows = Iterator[tuple[Any, ...]]

Writer = Callable[[Path, Columns, Rows], None]


def export(store: Store, folder: Path, ending: str, *, force: bool = False) -> list[Path]:
    """Write a file for each table, all as of one moment. With `force`, existing files are replaced
    once the new ones are whole.

    `ending`: a key of `WRITERS`.

    Raises:
        UsageError: the format needs a package that is not installed, or a file cannot be written,
            or exists already.
    """
    write = WRITERS[ending]()
    for path in (folder / f"{name}.{ending}" for name in TABLES):
        if path.exists() and not force:
            raise UsageError(
                f"{path} exists already and is not replaced: name another folder, or add --force"
            )
    with _into(folder), store.reading():
        return [_table(store, name, folder / f"{name}.{ending}", write) for name in TABLES]


def _table(store: Store, name: str, path: Path, write: Writer) -> Path:
    columns = [
        (column, kind)
        for _, column, kind, *_ in store.execute(f"PRAGMA table_xinfo({name})").fetchall()
    ]
    partial = path.with_name(f".{path.name}.partial")
    try:
        write(partial, columns, store.execute(f"SELECT * FROM {name}"))
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _csv() -> Writer:
    def write(path: Path, columns: Columns, rows: Rows) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([name for name, _ in columns])
            writer.writerows(rows)

    return write


def _parquet() -> Writer:
    with extra("parquet", "Parquet"):
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter

    types = {"INTEGER": pa.int64(), "REAL": pa.float64(), "TEXT": pa.string()}

    def write(path: Path, columns: Columns, rows: Rows) -> None:
        schema = pa.schema([(name, types[kind]) for name, kind in columns])
        with ParquetWriter(path, schema) as writer:
            for batch in batched(rows, _BATCH):
                values = zip(*batch, strict=True)
                arrays = [
                    pa.array(each, kind) for each, kind in zip(values, schema.types, strict=True)
                ]
                writer.write_batch(pa.record_batch(arrays, schema))

    return write


WRITERS: Final[dict[str, Callable[[], Writer]]] = {"csv": _csv, "parquet": _parquet}


@contextlib.contextmanager
def _into(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise UsageError(f"cannot write to {folder}: {error.strerror or error}") from None
