"""A failure has a place of its own in a folder, and none is put in the place of another."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from race_harness.campaign.campaign import keep
from race_harness.campaign.kept_files import export_failures, failure_name
from race_harness.model.confirmation import Confirmation
from race_harness.model.errors import UsageError
from race_harness.model.evidence import Evidence
from race_harness.model.failure import Failure
from race_harness.model.schedule import Schedule
from race_harness.model.verdict import Judgement

FAILURE = Failure(
    schedule=Schedule("../../x"),
    judgement=Judgement(("late",), (Evidence("late", "3 events", ()),), ()),
    digest="/../../y",
    client="1.10.0",
    resolved_version="1.10.0",
    server="fake",
    world="sim",
    happenings=(),
    stacks={},
)
OTHER = replace(FAILURE, schedule=Schedule("../../x", 1))
CONFIRMED = replace(
    FAILURE, confirmed={"sim×real": Confirmation(5, 5, {"late": 5}, "1.10.0", "1.10.0")}
)


def test_its_name_leads_into_no_other_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b" / "c"
    path = keep(FAILURE, folder)
    assert (path.parent, path.name) == (folder, failure_name(FAILURE))
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == [path]


def test_the_same_failure_has_the_same_file(tmp_path: Path) -> None:
    path = keep(FAILURE, tmp_path)
    assert keep(CONFIRMED, tmp_path) == path
    assert Failure.read(path) == CONFIRMED


@pytest.mark.parametrize("there", ["precious", None])
def test_what_is_there_and_something_else_stays(tmp_path: Path, there: str | None) -> None:
    first = tmp_path / failure_name(FAILURE)
    if there is None:
        OTHER.write(first)
    else:
        first.write_text(there)
    before = first.read_bytes()
    second = keep(FAILURE, tmp_path)
    assert second.name == failure_name(FAILURE).replace(".json", "-2.json")
    assert Failure.read(second) == FAILURE
    assert first.read_bytes() == before
    assert keep(FAILURE, tmp_path) == second


def test_a_link_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "failures"
    folder.mkdir()
    (folder / failure_name(FAILURE)).symlink_to(tmp_path / "elsewhere")
    assert keep(FAILURE, folder).name.endswith("-2.json")
    assert not (tmp_path / "elsewhere").exists()


def several() -> Iterator[Failure]:
    yield from (FAILURE, OTHER, CONFIRMED)


def test_all_are_exported_each_to_its_file(tmp_path: Path) -> None:
    for _ in range(2):
        first, second = export_failures(several, tmp_path)
        assert (Failure.read(first), Failure.read(second)) == (CONFIRMED, OTHER)
    assert sorted(tmp_path.iterdir()) == sorted([first, second])


def test_an_export_replaces_nothing_unless_it_is_asked_to(tmp_path: Path) -> None:
    there = tmp_path / failure_name(FAILURE).replace(".json", "-2.json")
    there.write_text("precious")
    with pytest.raises(UsageError, match=r"-2\.json exists already .* add --force"):
        export_failures(several, tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["precious"]
    assert there in export_failures(several, tmp_path, force=True)
    assert Failure.read(there) == OTHER
