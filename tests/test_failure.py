"""Failure files: written whole or not at all, read whole or refused in one line."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.failure import Failure
from harness.schedule import Caller, Fault, Network, Schedule
from harness.verdict import Evidence, Judgement

FAILURE = Failure(
    schedule=Schedule(
        "final-events", 7, network=Network(faults=(Fault("reset"),)), caller=Caller(1.0)
    ),
    judgement=Judgement(
        ("early", "late"),
        (
            Evidence("early", "run() returned while the server's run was still going on"),
            Evidence("late", "1 event “later”", ({"id": "e1", "kind": "ActionEvent(finish)"},)),
        ),
        ("trailing: one event",),
    ),
    digest="3f1c2a9b",
    client="reference:poll",
    resolved_version="0.1.0",
    server="fake",
    world="sim",
    happenings=(
        {"at_ms": 0.5, "lane": "client", "what": "run-called"},
        {"at_ms": 2, "lane": "server", "what": "status", "status": "running", "run": 1},
    ),
    stacks={"MainThread": "line 1\nline 2"},
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "failure.json"
    FAILURE.write(path)
    return path


def test_what_was_written_is_read(file: Path) -> None:
    assert Failure.read(file) == FAILURE


def test_folders_are_made_and_nothing_else_is_left_there(tmp_path: Path) -> None:
    FAILURE.write(tmp_path / "a" / "b" / "f.json")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["f.json"]


def test_a_second_writing_replaces_the_first(file: Path) -> None:
    replace(FAILURE, digest="other").write(file)
    assert Failure.read(file).digest == "other"
    assert list(file.parent.iterdir()) == [file]


def test_a_person_finds_in_it_what_to_do_and_what_was_special(file: Path) -> None:
    data = json.loads(file.read_text())
    assert data["replay"] == f"race replay {file}"
    assert data["non_default_fields"]["caller.pause_ms"] == 1.0
    assert data["non_default_fields"]["network.faults[0]"]["action"] == "reset"
    assert data["schema"] == 1


def refused(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        Failure.read(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_a_truncated_file_is_refused_wherever_it_ends(file: Path) -> None:
    whole = file.read_bytes().rstrip()
    for length in [*range(0, len(whole), 97), len(whole) - 1]:
        file.write_bytes(whole[:length])
        assert "not a whole JSON file" in refused(file)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not a whole JSON file"),
        (b"\xff\xfe\x00", "not a whole JSON file"),
        (b"race replay", "not a whole JSON file"),
        (b"[" * 100_000, "not a whole JSON file"),
        (b'{"entropy": ' + b"9" * 5000 + b"}", "not a whole JSON file"),
        (b"null", "holds no schedule"),
        (b"[]", "holds no schedule"),
        (b'"schedule"', "holds no schedule"),
        (b'{"schema": 1, "scenario": "clean", "clients": []}', "holds no schedule"),
    ],
    ids=["empty", "bytes", "text", "deep", "long number", "null", "list", "string", "comparison"],
)
def test_what_is_no_failure_file_is_refused(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "failure.json"
    path.write_bytes(content)
    assert says in refused(path)


def test_what_is_not_there_or_a_folder_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "missing.json")
    assert "directory" in refused(tmp_path)


@pytest.mark.parametrize("schema", [2, 0, "1", None])
def test_another_schema_is_refused(file: Path, schema: object) -> None:
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "schema": schema}))
    assert f"schema {schema!r}" in refused(file)


FIELDS = [
    "client",
    "resolved_version",
    "server",
    "world",
    "harness_version",
    "verdicts",
    "evidence",
    "notes",
    "schedule",
    "digest",
    "stacks",
    "happenings",
]


@pytest.mark.parametrize("name", FIELDS)
def test_a_missing_field_is_named(file: Path, name: str) -> None:
    data = json.loads(file.read_text())
    del data[name]
    file.write_text(json.dumps(data))
    assert name in refused(file)


WRONG: list[tuple[str, Any]] = [
    *((name, None) for name in FIELDS),
    *((name, 7) for name in FIELDS),
    *((name, [7]) for name in FIELDS),
    *((name, "text") for name in FIELDS if name.endswith(("s", "evidence", "schedule"))),
    ("verdicts", []),
    ("verdicts", ["splendid"]),
    ("evidence", [{}]),
    ("evidence", [{"verdict": "late", "says": 7, "events": []}]),
    ("evidence", [{"verdict": "splendid", "says": "", "events": []}]),
    ("evidence", [{"verdict": "late", "says": "", "events": {}}]),
    ("evidence", [{"verdict": "late", "says": "", "events": ["e1"]}]),
    ("happenings", [{}]),
    ("happenings", [{"at_ms": "soon", "lane": "client", "what": "run-called"}]),
    ("happenings", [{"at_ms": 1.0, "lane": None, "what": "run-called"}]),
    ("happenings", [{"at_ms": 1.0, "lane": "client", "what": 3}]),
    ("stacks", {"MainThread": ["line 1"]}),
    ("schedule", {}),
    ("schedule", {"scenario": "x", "wind": 3}),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_field_of_the_wrong_kind_is_refused(file: Path, name: str, value: object) -> None:
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, name: value}))
    refused(file)


def test_a_field_more_is_no_harm(file: Path) -> None:
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "comment": "kept for the meeting"}))
    assert Failure.read(file) == FAILURE


def not_written(path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        FAILURE.write(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_in_the_way_stays_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    in_the_way = tmp_path / "failure.json"
    in_the_way.mkdir()
    not_written(in_the_way)
    assert list(tmp_path.iterdir()) == [in_the_way]
    assert in_the_way.is_dir()


def test_a_file_for_a_folder_stays(tmp_path: Path) -> None:
    parent = tmp_path / "failures"
    parent.write_text("precious")
    not_written(parent / "failure.json")
    assert parent.read_text() == "precious"


def test_a_disk_that_is_full_in_the_middle_leaves_the_old_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_a_part(path: Path, text: str, **_options: object) -> int:
        path.write_bytes(text[:100].encode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", write_a_part)
    with pytest.raises(UsageError, match="No space left"):
        replace(FAILURE, digest="other").write(file)
    assert Failure.read(file) == FAILURE
    assert list(file.parent.iterdir()) == [file]
