"""Layers: what is in front, what is behind, and when another one is built."""

import json
import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from race_harness.environments import prepare_layer
from race_harness.environments.layers import Layer
from race_harness.environments.pruning import environments
from race_harness.model.errors import ClientUnavailable

from .fake_package import FakePackage

# `xdist` is behind, and so is what is there by a `.pth` file: the harness, which is editable.
LOOK = """
import json, flavour, race_harness, xdist
from importlib.metadata import version
seen = [flavour.NAME, flavour.__file__, version("openhands-sdk"), race_harness.__file__]
print(json.dumps(seen))
"""


def asked_for(package: FakePackage) -> Requirement:
    return Requirement(f"openhands-sdk @ {package.directory.as_uri()}")


@pytest.mark.usefixtures("home", "no_index")
def test_the_requirement_is_in_front_and_all_else_behind(package: FakePackage) -> None:
    layer = prepare_layer(asked_for(package), lambda _line: None)
    assert layer.resolved_version == "openhands-sdk==1.43.1"
    looked = subprocess.run(
        [str(layer.python), "-P", "-c", LOOK], check=True, capture_output=True, text=True
    )
    flavour, file, version, harness = json.loads(looked.stdout)
    assert (flavour, version) == ("plain", "1.43.1")
    assert Path(file).is_relative_to(layer.path)
    assert Path(harness).is_relative_to(Path(__file__).parents[2])


@pytest.mark.usefixtures("no_index")
def test_one_is_built_once_and_another_when_the_folder_changes(
    package: FakePackage, home: Path
) -> None:
    first = prepare_layer(asked_for(package), lambda _line: None)
    builds = package.builds()
    again = prepare_layer(asked_for(package), pytest.fail)
    assert (again.path, package.builds()) == (first.path, builds)
    package.flavour("sweet")
    other = prepare_layer(asked_for(package), lambda _line: None)
    assert other.path != first.path
    assert [path.read_text() for path in other.path.rglob("flavour.py")] == ["NAME = 'sweet'\n"]
    titles = {kept.title for kept in environments(home)}
    assert len(titles) == 1
    assert titles.pop().startswith(f"{asked_for(package)} in front of ")


def test_another_package_at_hand_makes_another_layer(tmp_path: Path) -> None:
    def key(requirement: str) -> str:
        return Layer(Requirement(requirement), None, (str(tmp_path),)).key

    def install(version: str) -> None:
        about = tmp_path / "beside.dist-info"
        about.mkdir(exist_ok=True)
        about.joinpath("METADATA").write_text(f"Name: beside\nVersion: {version}\n")

    install("1.0")
    before = key("websockets==15.0.1")
    assert key("websockets == 15.0.1") == before
    assert key("websockets==16.0") != before
    install("1.1")
    assert key("websockets==15.0.1") != before


@pytest.mark.usefixtures("home", "no_index")
def test_what_cannot_be_had_is_one_line() -> None:
    with pytest.raises(ClientUnavailable) as caught:
        prepare_layer(Requirement("websockets==1.99"), lambda _line: None)
    assert str(caught.value).startswith("cannot install websockets==1.99 in front of ")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("home")
def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    nowhere = Requirement(f"flavour @ {(tmp_path / 'nowhere').as_uri()}")
    with pytest.raises(ClientUnavailable, match="Distribution not found at") as caught:
        prepare_layer(nowhere, lambda _line: None)
    assert "\n" not in str(caught.value)
