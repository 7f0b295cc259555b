"""Whatever a name holds, the file that is called after it is one plain file of a folder."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from race_harness.model.file_names import LONGEST, file_name


def test_a_name_that_is_one_stays() -> None:
    assert file_name("final-events", "1.10.0", "late", "3f1c2a9b", ending=".json") == (
        "final-events-1.10.0-late-3f1c2a9b.json"
    )
    assert file_name("tests/test_a.py::test_ü[1]") == "tests_test_a.py__test_ü_1_"


def test_no_name_leads_elsewhere() -> None:
    assert file_name("../../x", "..", ending=".json") == "_._.._x-...json"
    assert file_name("/etc/passwd\x00\n") == "_etc_passwd__"
    assert file_name(".hidden") == "_hidden"


@given(st.lists(st.text(max_size=300), min_size=1, max_size=4))
def test_it_is_one_name_that_any_file_system_takes(parts: list[str]) -> None:
    name = file_name(*parts, ending=".json")
    assert Path("folder", name).parent == Path("folder")
    assert Path(name).name == name
    assert not name.startswith(".")
    assert len(name.encode()) <= LONGEST
