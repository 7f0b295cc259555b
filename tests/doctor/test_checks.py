"""What the facts about a machine mean: each line in both states."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from race_harness.doctor.checks import Machine, Storage, diagnoses, is_well

CACHE = Storage(Path("/cache/environments"), None, 40.0, 1.5, 3)
RECORD = Storage(Path("/data/record.db"), None, 40.0, 0.002)
WELL = Machine(
    harness="0.1.0",
    python="3.13.0",
    executable=Path("/venv/bin/python"),
    free_threaded=False,
    platform="Linux 6.1, 2 cores",
    complaint=None,
    uv="0.9.0 in /venv/bin/uv",
    index="https://index.example/simple/",
    releases=111,
    index_problem=None,
    cache=CACHE,
    record=RECORD,
    trials=1000,
    record_problem=None,
    namespaces_problem=None,
    tools={1: "coverage"},
    sdk="1.58.0",
    agent_server="1.58.0",
    browser=Path("/usr/bin/chromium"),
    driver=Path("/usr/bin/chromedriver"),
    leftovers=(),
)


def test_all_is_well() -> None:
    found = diagnoses(WELL)
    assert {one.state for one in found} == {"ok"}
    assert {one.todo for one in found} == {None}
    assert is_well(found)
    says = {one.name: one.says for one in found}
    assert says["cache"] == "3 environments, 1.5 GB, in /cache/environments; 40.0 GB free"
    assert says["record"] == "1000 trials, 2.0 MB, whole, in /data/record.db"
    assert says["sys.monitoring"] == "5 of 6 tool ids are free; held: 1 coverage"


DAMAGED = "the record x is damaged: y; `race merge NEW.db x` saves it"
MACOS = "race-harness needs Linux, and this is macOS: use a container"

OTHERWISE: list[tuple[str, str, dict[str, Any], str, str | None]] = [
    ("platform", "missing", {"complaint": MACOS}, "and this is macOS", "use a container"),
    ("interpreter", "note", {"free_threaded": True}, "free-threaded", "usual build"),
    ("uv", "missing", {"uv": None}, "not installed", "pip install uv"),
    ("package index", "note", {"index_problem": "no answer"}, "no answer", "UV_DEFAULT_INDEX"),
    ("cache", "missing", {"cache": replace(CACHE, problem="denied")}, "denied", "RACE_HOME"),
    ("cache", "note", {"cache": replace(CACHE, free_gb=2.9)}, "2.9 GB free", "cache --prune"),
    ("cache", "ok", {"cache": replace(CACHE, measured=False)}, "over 1.5 GB", None),
    ("record", "missing", {"record_problem": DAMAGED}, "is damaged: y", "race merge NEW.db x"),
    ("record", "missing", {"record_problem": "x is no record"}, "x is no record", "RACE_RECORD"),
    ("record", "note", {"record": replace(RECORD, problem="denied")}, "denied", "RACE_RECORD"),
    ("record", "ok", {"trials": None}, "none yet; it will be /data/record.db", None),
    ("own folders", "note", {"namespaces_problem": "denied"}, "denied", "user namespaces"),
    ("sys.monitoring", "missing", {"tools": dict.fromkeys(range(6), "x")}, "0 of 6", "debugger"),
    ("openhands-sdk", "note", {"sdk": None}, "not installed", "pip install openhands-sdk"),
    ("openhands-agent-server", "note", {"agent_server": None}, "not installed", "pip install"),
    ("browser", "note", {"driver": None}, "none in /usr/bin", "chromium-driver"),
    ("browser", "note", {"browser": None}, "none in /usr/bin", "chromium-driver"),
    ("leftovers", "note", {"leftovers": (Path("/tmp/x"),)}, "such as /tmp/x", "cache --prune"),
]


@pytest.mark.parametrize(("name", "state", "changes", "says", "todo"), OTHERWISE)
def test_what_is_otherwise_is_told_with_the_way_out(
    name: str, state: str, changes: dict[str, Any], says: str, todo: str | None
) -> None:
    found = diagnoses(replace(WELL, **changes))
    (one,) = [each for each in found if each.name == name]
    assert one.state == state
    assert says in one.says
    assert (one.todo is None) if todo is None else (todo in (one.todo or ""))
    # Nothing else is told otherwise, and only what is needed decides.
    assert [each.name for each in diagnoses(WELL) if each not in found] == [name]
    assert is_well(found) == (state != "missing")
