"""`docs/results/case-study-1832.md`: its tables and its files are those of its numbers."""

import copy
import re
from pathlib import Path

import pytest
from benchmarks import case_study

from race_harness.model.failure import Failure
from race_harness.model.verdict import PASSING
from race_harness.search import library

FILES = case_study.DOCS / "case-study-1832"
NAMES = sorted(path.stem for path in FILES.glob("*.json"))
REVISIONS = [commit.revision for commit in case_study.COMMITS]


def page() -> str:
    return case_study.PAGE.read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_numbers() -> None:
    assert case_study.rewritten(page(), case_study.load()) == page()


def test_other_numbers_would_make_other_tables() -> None:
    numbers = case_study.load()
    changed = copy.deepcopy(numbers)
    changed["cells"]["final-events"]["35b32e55d"]["passed"] = 0
    assert case_study.rewritten(page(), changed) != page()
    changed = copy.deepcopy(numbers)
    changed["thousand"]["final-events"]["78f527cf2"]["passed"] = 0
    assert case_study.rewritten(page(), changed) != page()


def test_a_page_without_a_place_for_a_table_is_refused() -> None:
    with pytest.raises(ValueError, match="no place for the table 'scenarios'"):
        case_study.rewritten(page().replace("<!-- scenarios -->", ""), case_study.load())


def test_every_scenario_was_run_at_both_ends_and_every_schedule_on_every_commit() -> None:
    numbers = case_study.load()
    # Those that there were; scenarios that came later have nothing to do with it.
    assert numbers["cells"].keys() <= set(library.names())
    assert len(numbers["cells"]) == 45
    for row in numbers["cells"].values():
        assert {"35b32e55d", "ec4b0fb1d", "78f527cf2", "8fd9421ed"} <= row.keys()
        assert list(row) == [revision for revision in REVISIONS if revision in row]
    assert sorted(numbers["schedules"]) == NAMES
    assert all(list(row) == REVISIONS for row in numbers["schedules"].values())


def test_the_numbers_add_up() -> None:
    numbers = case_study.load()
    rows = [*numbers["cells"].values(), *numbers["thousand"].values()]
    for cell in (cell for row in rows for cell in row.values()):
        apart = sum(cell["verdicts"].get(verdict, 0) for verdict in PASSING if verdict != "ok")
        only_ok = cell["verdicts"].get("ok", 0)
        assert only_ok <= cell["passed"] <= only_ok + apart
        assert cell["passed"] + cell["void"] <= cell["reps"]
        assert cell["ci95"][0] <= cell["ci95"][1]


def test_the_control_passes_on_every_commit() -> None:
    row = case_study.load()["cells"]["clean"]
    assert all(cell["passed"] == cell["reps"] for cell in row.values())


def test_numbers_survive_being_written(tmp_path: Path) -> None:
    numbers = case_study.load()
    case_study.store(numbers, tmp_path / "numbers.json")
    assert case_study.load(tmp_path / "numbers.json") == numbers


def test_neighbours_that_did_the_same_share_a_column_and_others_do_not() -> None:
    alike = dict.fromkeys(REVISIONS, "ok 20; 1.0 s")
    assert len(case_study.columns([alike, alike])) == 1
    other = {**alike, "6e354e6fa": "ok 19, late 1; 1.0 s"}
    firsts = [group[0].revision for group in case_study.columns([alike, other])]
    assert firsts == ["35b32e55d", "6e354e6fa", "78f527cf2"]


def test_a_commit_without_all_its_rows_has_no_column() -> None:
    alike = dict.fromkeys(REVISIONS, "ok 20; 1.0 s")
    partial = {revision: told for revision, told in alike.items() if revision != "cc6c1bedc"}
    (column,) = case_study.columns([alike, partial])
    assert "cc6c1bedc" not in [commit.revision for commit in column]
    assert len(column) == len(REVISIONS) - 1
    assert case_study.columns([]) == []


@pytest.mark.parametrize(
    ("told", "shown"), [(["ok", 1.0], "1.0 s"), (["early", "late", 0.25], "**early, late**")]
)
def test_a_trial_is_told_by_its_time_or_by_what_was_wrong(told: list[object], shown: str) -> None:
    assert case_study.outcome(told) == shown


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ({"reps": 200, "void": 0, "passed": 200, "verdicts": {"ok": 200}}, "·"),
        ({"reps": 200, "void": 0, "passed": 199, "verdicts": {"late": 1, "ok": 199}}, "late 0.5"),
        ({"reps": 20, "void": 0, "passed": 0, "verdicts": {"hang": 20}}, "hang 100"),
        ({"reps": 20, "void": 10, "passed": 5, "verdicts": {"late": 5, "ok": 5}}, "late 50"),
        ({"reps": 20, "void": 20, "passed": 0, "verdicts": {}}, "void"),
        (
            {"reps": 10, "void": 0, "passed": 0, "verdicts": {"lost": 5, "stall": 10}},
            "stall 100",
        ),
        ({"reps": 10, "void": 0, "passed": 5, "verdicts": {"lost": 5, "stall": 5}}, "lost 50"),
    ],
)
def test_a_cell_tells_its_commonest_verdict_and_how_many_failed(
    cell: case_study.Cell, shown: str
) -> None:
    assert case_study.share(cell) == shown


def test_a_cell_ends_early_where_half_of_its_head_hangs_and_only_there() -> None:
    assert case_study.ends_early({"reps": 20, "verdicts": {"hang": 10, "ok": 10}})
    assert not case_study.ends_early({"reps": 20, "verdicts": {"hang": 9, "ok": 11}})
    assert not case_study.ends_early({"reps": 200, "verdicts": {"hang": 200}})


def test_each_file_has_its_replay_line_in_the_order_of_the_table() -> None:
    told = re.findall(r"race replay docs/results/case-study-1832/([\w-]+)\.json", page())
    assert told == list(case_study.load()["schedules"])
    assert sorted(told) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_file_fails_as_the_table_says(name: str) -> None:
    failure = Failure.read(FILES / f"{name}.json")
    assert failure.schedule.scenario == name
    assert not failure.schedule.departures()
    repository, _, revision = failure.client.partition("@")
    assert repository == "software-agent-sdk"
    assert failure.resolved_version.endswith(f"g{revision}")
    told = case_study.load()["schedules"][name][revision]
    assert list(failure.judgement.verdicts) == told[:-1] != ["ok"]


@pytest.mark.parametrize("name", NAMES)
def test_the_page_tells_how_often_the_real_server_did_it(name: str) -> None:
    failure = Failure.read(FILES / f"{name}.json")
    (row,) = [line for line in page().splitlines() if line.startswith(f"| [`{name}`]")]
    tried = failure.confirmed.get("sim×real")
    told = "not tried" if tried is None else "not possible"
    if tried is not None and tried.tries:
        told = f"{tried.reproduced} of {tried.tries}"
    assert f"| {told} |" in row
    assert failure.client.partition("@")[2] in row
    assert all(f"`{verdict}`" in row for verdict in failure.judgement.verdicts)
    assert all(f"`{field}`" in row for field in failure.schedule.non_default_fields())
