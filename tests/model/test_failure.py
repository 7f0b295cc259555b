"""Failure files: written whole or not at all, read whole or refused in one line."""

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from race_harness.model.combination import COMBINATIONS, REAL_FAKE, SIM_REAL
from race_harness.model.confirmation import Confirmation
from race_harness.model.errors import UsageError
from race_harness.model.evidence import Evidence
from race_harness.model.failure import Failure, confirm
from race_harness.model.schedule import (
    Act,
    Caller,
    ConnectionLink,
    Fault,
    Interleaving,
    LineStall,
    Moment,
    Network,
    RestFault,
    Schedule,
    Script,
    Turn,
)
from race_harness.model.verdict import Judgement

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


# confirmed

CONFIRMED = Confirmation(5, 4, {"early": 4, "ok": 1}, "0.1.0", "1.58.0")
LACKING = Confirmation(0, 0, {}, "0.1.0", reason="no such server")


def test_a_file_that_nobody_tried_elsewhere_says_nothing_of_it(file: Path) -> None:
    assert json.loads(file.read_text())["confirmed"] == {}
    assert Failure.read(file).confirmed == {}


def test_older_files_are_read(file: Path) -> None:
    data = json.loads(file.read_text())
    del data["confirmed"]
    file.write_text(json.dumps(data))
    assert Failure.read(file) == FAILURE
    assert confirm(file, SIM_REAL, CONFIRMED).confirmed == {"sim×real": CONFIRMED}


def test_what_comes_of_a_combination_is_added_and_nothing_is_lost(file: Path) -> None:
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "remark": "of somebody's own"}))
    assert confirm(file, SIM_REAL, CONFIRMED) == replace(
        FAILURE, confirmed={"sim×real": CONFIRMED}
    )
    confirm(file, REAL_FAKE, LACKING)
    after = json.loads(file.read_text())
    assert after.pop("confirmed") == {
        "sim×real": CONFIRMED.to_dict(),
        "real×fake": LACKING.to_dict(),
    }
    del data["confirmed"]
    assert after == {**data, "remark": "of somebody's own"}
    assert list(file.parent.iterdir()) == [file]


def test_that_nothing_could_be_tried_replaces_nothing_that_was(file: Path) -> None:
    confirm(file, SIM_REAL, LACKING)
    confirm(file, SIM_REAL, CONFIRMED)
    confirm(file, SIM_REAL, LACKING)
    assert Failure.read(file).confirmed == {"sim×real": CONFIRMED}
    fewer = replace(CONFIRMED, reproduced=0)
    assert confirm(file, SIM_REAL, fewer).confirmed == {"sim×real": fewer}


def test_several_at_once_lose_nothing(file: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda each: confirm(file, each, CONFIRMED), COMBINATIONS))
    assert Failure.read(file).confirmed.keys() == set(map(str, COMBINATIONS))


@pytest.mark.parametrize(
    ("confirmed", "says"),
    [
        ({"dream×real": CONFIRMED.to_dict()}, "is no combination"),
        ({"sim×real": {**CONFIRMED.to_dict(), "tries": -1}}, "field 'confirmed.sim×real.tries'"),
        ({"sim×real": {**CONFIRMED.to_dict(), "luck": 1}}, "field 'confirmed.sim×real.luck'"),
        ({"sim×real": 5}, "field 'confirmed.sim×real'"),
        ([], "field 'confirmed'"),
    ],
)
def test_a_confirmation_that_is_none_is_refused(file: Path, confirmed: object, says: str) -> None:
    data = json.loads(file.read_text())
    file.write_text(json.dumps({**data, "confirmed": confirmed}))
    assert says in refused(file)


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


def with_schedule(path: Path, change: dict[str, Any]) -> str:
    """The complaint about a file whose schedule holds this instead."""
    data = json.loads(path.read_text())
    data["schedule"].update(change)
    path.write_text(json.dumps(data))
    return refused(path)


REST = {"action": "status", "route": "conversation"}
ACT = {"what": "pause"}


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"schema": 1}, "'schema'"),
        ({"schema": "2"}, "'schema'"),
        ({"wind": 3}, "'wind'"),
        ({"rest": [REST, {**REST, "wind": 3}]}, "'rest[1].wind'"),
        ({"rest": [{**REST, "action": "explode"}]}, "'rest[0].action'"),
        ({"rest": [{**REST, "status": 200}]}, "'rest[0].status'"),
        ({"rest": [{**REST, "delay_ms": -1}]}, "'rest[0].delay_ms'"),
        ({"rest": [{**REST, "acted": 1}]}, "'rest[0].acted'"),
        ({"rest": [{**REST, "nth": 0}]}, "'rest[0].nth'"),
        ({"rest": {}}, "'rest'"),
        (
            {"caller": {"acts": [ACT, {**ACT, "at": {"after_ms": -0.1}}]}},
            "'caller.acts[1].at.after_ms'",
        ),
        ({"caller": {"acts": [{"what": "sleep"}]}}, "'caller.acts[0].what'"),
        ({"caller": {"runs": 0}}, "'caller.runs'"),
        ({"caller": {"runs": "2"}}, "'caller.runs'"),
        ({"caller": {"timeout_s": -1}}, "'caller.timeout_s'"),
        ({"caller": {"looks_again_s": "soon"}}, "'caller.looks_again_s'"),
        ({"script": {"later": [{}, {"outcome": "bored"}]}}, "'script.later[1].outcome'"),
        ({"script": {"later": [{"later": []}]}}, "'script.later[0].later'"),
        ({"script": {"calls_each": 0}}, "'script.calls_each'"),
        ({"server": {"status_overtakes": -1}}, "'server.status_overtakes'"),
        ({"server": {"clock_ms": -1}}, "'server.clock_ms'"),
        ({"network": {"connections": [{"nth": 0}]}}, "'network.connections[0].nth'"),
        ({"network": {"connections": [{"kind": "pipe"}]}}, "'network.connections[0].kind'"),
        (
            {"network": {"faults": [{"action": "refuse", "for_ms": -5}]}},
            "'network.faults[0].for_ms'",
        ),
        ({"interleaving": {"strategy": "best"}}, "'interleaving.strategy'"),
        ({"interleaving": {"depth": 0}}, "'interleaving.depth'"),
        (
            {"interleaving": {"stalls": [{"function": "f", "line": ""}]}},
            "'interleaving.stalls[0].line'",
        ),
        ({"server": {"flushes_first": True}}, "server.flushes_first"),
        ({"rest": [REST, {"action": "empty"}]}, "rest[1], an empty page"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_schedule_with_a_mistake_is_one_line_that_names_its_place(
    file: Path, change: dict[str, Any], where: str
) -> None:
    assert where in with_schedule(file, change)


@pytest.mark.parametrize(
    "schema_of_schedule", [{"schema": 2}, {}], ids=["said", "left out, which is this one"]
)
def test_a_schedule_of_this_schema_is_read(file: Path, schema_of_schedule: object) -> None:
    data = json.loads(file.read_text())
    del data["schedule"]["schema"]
    data["schedule"] |= schema_of_schedule
    file.write_text(json.dumps(data))
    assert Failure.read(file) == FAILURE


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        (("happenings", 1, "at_ms"), None, "'happenings[1].at_ms'"),
        (("happenings", 1, "at_ms"), "2", "'happenings[1].at_ms'"),
        (("happenings", 1, "run"), "one", "'happenings[1].run'"),
        (("happenings", 0, "event"), 7, "'happenings[0].event'"),
        (("happenings", 0, "number"), "1", "'happenings[0].number'"),
        (("evidence", 1, "events", 0, "id"), 7, "'evidence[1].events[0].id'"),
        (("evidence", 1, "events", 0, "visible_ms"), "7", "'evidence[1].events[0].visible_ms'"),
        (("evidence", 0, "verdict"), "splendid", "'evidence[0].verdict'"),
        (("stacks", "MainThread"), 7, "'stacks.MainThread'"),
        (("verdicts", 1), "splendid", "'verdicts[1]'"),
        (("neighbour",), 7, "'neighbour'"),
        (("server_version",), 1.58, "'server_version'"),
    ],
)
def test_a_mistake_deep_inside_is_named_by_its_path(
    file: Path, path: tuple[Any, ...], value: object, where: str
) -> None:
    data = json.loads(file.read_text())
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    file.write_text(json.dumps(data))
    assert where in refused(file)


def test_the_neighbour_and_the_servers_release_are_kept_and_may_be_missing(file: Path) -> None:
    told = replace(FAILURE, neighbour="It passes without\nany", server_version="1.58.0")
    told.write(file)
    assert Failure.read(file) == told
    data = json.loads(file.read_text())
    del data["neighbour"], data["server_version"]
    file.write_text(json.dumps(data))
    assert Failure.read(file) == FAILURE


def test_every_part_of_a_schedule_is_read_as_it_was_written(tmp_path: Path) -> None:
    rich = Schedule(
        "rich",
        script=Script(calls_each=2, later=(Turn(outcome="paused"), Turn(says="message"))),
        network=Network(
            connections=(ConnectionLink(7.5, kind="rest", nth=3),),
            faults=(Fault("refuse", for_ms=1.5), Fault("reject", code=4001)),
        ),
        rest=(RestFault("empty", "events"), RestFault("delay", delay_ms=2.5, acted=False)),
        caller=Caller(runs=3, acts=(Act("run", Moment("polled", 2, 1.5, "run-called")),)),
        interleaving=Interleaving(1, "pos", stalls=(LineStall("f", "x = 1", 2, 3.5),)),
        counterfactual=True,
    )
    path = tmp_path / "rich.json"
    replace(FAILURE, schedule=rich).write(path)
    assert Failure.read(path).schedule == rich
    fields = json.loads(path.read_text())["non_default_fields"]
    assert fields["caller.acts[0]"]["at"]["what"] == "polled"
    assert {
        "script.later[1]", "rest[0]", "rest[1]", "network.faults[1]", "interleaving.stalls[0]",
    } < set(fields)  # fmt: skip


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
