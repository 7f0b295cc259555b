"""Scenarios by name and by file, and what is wrong with a file."""

import re
import sys
from pathlib import Path

import pytest

from race_harness.campaign.own_scenarios import find_scenario, find_scenarios
from race_harness.model.errors import UsageError
from race_harness.model.scenario import FOLDER
from race_harness.search import library
from race_harness.search.draw import draw_schedules

EXAMPLE = Path(__file__).parent / "own_scenario.py"
DOC = Path(__file__).parents[2] / "docs" / "how-to" / "own-scenario.md"

GOOD = """
from hypothesis import strategies as st
from race_harness import Scenario, Schedule

def schedules():
    return st.builds(Schedule, scenario=st.just("any"))

SCENARIO = Scenario("mine", "a try", schedules)
OTHER = Scenario("other", "another", schedules)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(GOOD)
    return path


def complaint(argument: object) -> str:
    with pytest.raises(UsageError) as e:
        find_scenario(str(argument))
    assert "\n" not in str(e.value)
    return str(e.value)


def test_the_page_holds_the_example() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)
    assert block == EXAMPLE.read_text(encoding="utf-8")


def test_the_example_draws_under_its_name_and_is_not_in_every_record() -> None:
    scenario = find_scenario(str(EXAMPLE))
    assert (scenario.name, scenario.fails) == ("slow-socket", "<1.11.1")
    assert not scenario.is_in_every_record
    drawn = list(draw_schedules(scenario, 0, 10))
    assert {schedule.scenario for schedule in drawn} == {"slow-socket"}
    assert drawn == list(draw_schedules(find_scenario(str(EXAMPLE)), 0, 10))


def test_a_name_is_one_of_the_library() -> None:
    scenario = find_scenario("clean")
    assert scenario is library.load("clean")
    assert scenario.is_in_every_record


def test_a_file_of_the_library_is_what_it_is_by_name(tmp_path: Path) -> None:
    assert find_scenario(str(FOLDER / "final_events.py")) is library.load("final-events")
    copy = tmp_path / "copied.py"
    copy.write_bytes((FOLDER / "final_events.py").read_bytes())
    assert find_scenario(str(copy)) is library.load("final-events")


def test_another_name_in_the_file(file: Path) -> None:
    assert find_scenario(f"{file}:OTHER").name == "other"


def test_what_lies_beside_the_file_can_be_imported(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (file.parent / "beside_it.py").write_text("NAME = 'from-beside'\n")
    file.write_text("from beside_it import NAME\n" + GOOD.replace('"mine"', "NAME"))
    assert find_scenario(str(file)).name == "from-beside"


def test_the_source_tells_one_content_from_another(file: Path) -> None:
    first = find_scenario(str(file))
    assert first.source == find_scenario(str(file)).source
    assert first.source != find_scenario(f"{file}:OTHER").source
    file.write_text(GOOD + "# changed\n")
    assert first.source != find_scenario(str(file)).source


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"SCENARIO =": "SCENERY ="}, "has no SCENARIO; scenarios there are: SCENERY, OTHER"),
        ({GOOD: "x = 1"}, "mine.py has no SCENARIO"),
        ({GOOD: "SCENARIO = 7"}, "mine.py: SCENARIO is no race_harness.Scenario"),
        ({GOOD: "x = 1\n1 / 0"}, "mine.py raises in line 2: ZeroDivisionError: division by zero"),
        ({GOOD: "x =\n"}, "mine.py raises in line 1: SyntaxError: invalid syntax"),
        ({GOOD: "import sys\nsys.exit(3)"}, "mine.py raises in line 2: SystemExit: 3"),
        ({GOOD: "import nothing_of_the_kind"}, "mine.py needs nothing_of_the_kind, which is not"),
        (
            {'"mine"': '"clean"'},
            "mine.py: a scenario named 'clean' comes with race-harness: give yours another name",
        ),
        ({'"mine"': '"../up"'}, "mine.py: '../up' is no name: take letters, digits and hyphens"),
        ({'"mine"': "7"}, "mine.py: 7 is no name"),
        (
            {"return st.": "1 / 0 #"},
            "mine.py: drawing a schedule raises in line 6: ZeroDivisionError: division by zero",
        ),
        (
            {'builds(Schedule, scenario=st.just("any"))': "just(7)"},
            "mine.py: drawing a schedule raises: TypeError: ",
        ),
        (
            {"return st.": "return 7 #"},
            "mine.py: drawing a schedule raises: hypothesis.errors.InvalidArgument: Expected a ",
        ),
        (
            {'"a try", schedules': '"a try", schedules, "everything"'},
            "mine.py: fails: Invalid specifier: 'everything'",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_one_line(
    file: Path, change: dict[str, str], says: str
) -> None:
    for old, new in change.items():
        assert old in GOOD
        file.write_text(GOOD.replace(old, new))
    assert says in complaint(file)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert complaint(tmp_path / "none.py") == (
        f"cannot read {tmp_path / 'none.py'}: No such file or directory"
    )


def test_several_are_each_there_once(file: Path) -> None:
    found = find_scenarios([str(file), "clean", str(file), "clean"])
    assert [one.name for one in found] == ["mine", "clean"]


def test_two_that_differ_have_not_the_same_name(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text(GOOD + "# another\n")
    with pytest.raises(UsageError, match=r"other.py: another file has a scenario named 'mine'"):
        find_scenarios([str(file), str(other)])
