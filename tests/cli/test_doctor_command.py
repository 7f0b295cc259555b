"""`race doctor`: a line each, and an exit status."""

import json
import socket
from pathlib import Path

import pytest
from cli_rig import Race

pytestmark = pytest.mark.slow

NAMES = (
    *("platform", "interpreter", "uv", "cache", "record", "sys.monitoring", "package index"),
    *("own folders", "openhands-sdk", "openhands-agent-server", "browser", "leftovers"),
)


@pytest.fixture
def nowhere(tmp_path: Path) -> dict[str, str]:
    """A cache and a record that are not there yet, and an index that is not there at all."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        index = f"http://127.0.0.1:{gone.getsockname()[1]}/simple/"
    home = tmp_path / "home"
    return {
        "RACE_HOME": str(home),
        "RACE_RECORD": str(home / "record.db"),
        "UV_DEFAULT_INDEX": index,
    }


def test_without_an_index_a_machine_is_well(
    race: Race, tmp_path: Path, nowhere: dict[str, str]
) -> None:
    done = race("doctor", **nowhere)
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert len(lines) == len(NAMES)
    for line, name in zip(lines, NAMES, strict=True):
        assert line[8:].startswith(name)
    (index,) = [line for line in lines if "package index" in line]
    assert index.startswith("note ")
    assert "To do: check the network" in index
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_record_is_1_and_told_to_programs(
    race: Race, tmp_path: Path, nowhere: dict[str, str]
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "record.db").write_text("a diary\n" * 500)
    done = race("doctor", "--json", "-", **nowhere)
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["well"] is False
    assert [one["name"] for one in told["found"]] == [*NAMES]
    assert [one["name"] for one in told["found"] if one["state"] == "missing"] == ["record"]
