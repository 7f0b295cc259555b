"""`race test --against`: one test, several versions of what it depends on."""

import json
import zipfile
from pathlib import Path

import pytest
from cli_rig import Race

TEST = "test_flavour.py::test_flavour"


def wheel(folder: Path, version: str, flavour: str) -> str:
    """A requirement of a package that is no more than its flavour."""
    path = folder / f"flavoured-{version}-py3-none-any.whl"
    about = f"flavoured-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("flavoured.py", f"NAME = {flavour!r}\n")
        archive.writestr(f"{about}/METADATA", f"Name: flavoured\nVersion: {version}\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return f"flavoured @ {path.as_uri()}"


@pytest.fixture
def versions(tmp_path: Path) -> list[str]:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_flavour.py").write_text(
        "def test_flavour():\n    import flavoured\n    assert flavoured.NAME == 'sweet'\n"
    )
    return [wheel(tmp_path, "1.0", "sweet"), wheel(tmp_path, "2.0", "sour")]


def against(*requirements: str) -> list[str]:
    return [word for requirement in requirements for word in ("--against", requirement)]


@pytest.mark.slow
def test_versions_are_compared_on_the_same_schedules(
    versions: list[str], tmp_path: Path, race_process: Race
) -> None:
    home = {"RACE_HOME": str(tmp_path / "home")}
    common = ("test", TEST, "--reps", "3", "--json", "out.json")
    done = race_process(*common, *against(*versions), **home)
    assert done.returncode == 1
    numbers = json.loads((tmp_path / "out.json").read_text())
    told = [(one["client"], one["resolved_version"], one["passed"]) for one in numbers["clients"]]
    assert told == [(versions[0], "flavoured==1.0", 3), (versions[1], "flavoured==2.0", 0)]
    assert (numbers["pairs"][0]["only_b"], numbers["test"]) == (3, TEST)
    assert "AssertionError: assert 'sour' == 'sweet'" in done.stderr
    # One alone is compared with what is installed, which has no such module.
    done = race_process(*common, *against(versions[0]), **home)
    assert done.returncode == 1
    numbers = json.loads((tmp_path / "out.json").read_text())
    told = [(one["client"], one["passed"]) for one in numbers["clients"]]
    assert told == [("installed", 0), (versions[0], 3)]
    assert "installing" not in done.stderr
    # A file alone has nothing built.
    failed = numbers["clients"][0]["first_failure"]
    again = ("replay", failed, "--test", TEST)
    assert race_process(*again, **home).returncode == 0
    assert race_process(*again, "--client", versions[0], **home).returncode == 1
    listed = race_process("cache", **home).stdout
    assert f"flavoured @ {(tmp_path / 'flavoured-1.0').as_uri()}"[:40] in listed


@pytest.mark.slow
def test_a_module_that_comes_from_elsewhere_is_no_comparison(
    versions: list[str], tmp_path: Path, race_process: Race
) -> None:
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "flavoured.py").write_text("NAME = 'sweet'\n")
    done = race_process(
        *("test", TEST, "--reps", "2", *against(*versions)),
        RACE_HOME=str(tmp_path / "home"),
        PYTHONPATH=str(tmp_path / "path"),
    )
    assert done.returncode == 2
    told = done.stderr.splitlines()[-1]
    assert told.startswith(f"race: the tests import flavoured.py from {tmp_path / 'path'}, not")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--against", "websockets=15"], "'websockets=15' is no requirement with a version"),
        (["--against", "websockets"], "'websockets' is no requirement with a version"),
        (["--against", "a==1; python_version < '3'"], "is not for this Python"),
        (["--against", "websockets==16.0", "--sweep", "5"], "leave out --against"),
    ],
)
def test_what_cannot_be_compared_is_one_line(race: Race, arguments: list[str], says: str) -> None:
    done = race("test", TEST, *arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "others", [["installed"], ["1.10.0", "--test", TEST], ["installed", "1.10.0", "--test", TEST]]
)
def test_other_clients_are_not_compared_with_it(race: Race, others: list[str]) -> None:
    done = race("compare", *others, "--against", "websockets==16.0")
    assert done.returncode == 2
    assert "--against is for tests in the environment at hand" in done.stderr
    assert len(done.stderr.splitlines()) == 1
