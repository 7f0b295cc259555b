"""`race` starts at once: help and completion import nothing that only trials need."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cli_rig import Race

from race_harness.cli.commands import COMMANDS
from race_harness.model.version import __version__
from race_harness.store.store import Store

HEAVY = [
    "altair",
    "fastapi",
    "hypothesis",
    "numpy",
    "openhands",
    "pytest",
    "scipy",
    "sqlite_utils",
]
"""What trials, their record and its report need."""

LOADED = """
import json, sys
from race_harness.cli import main

calls, answer = json.loads(sys.argv[1]), sys.argv[2]
loaded = {}
for arguments in calls:
    sys.argv = ["race", *arguments]
    try:
        main()
    except SystemExit as exited:
        assert not exited.code, arguments
    # What one loads, the next ones have: blame the first.
    seen = {name for names in loaded.values() for name in names}
    loaded[" ".join(arguments)] = sorted(set(sys.modules) - seen)
with open(answer, "w") as file:
    json.dump(loaded, file)
"""


def loaded(folder: Path, *calls: list[str], **environment: str) -> dict[str, list[str]]:
    """Which of HEAVY the calls of `race` load, one after another in a new process."""
    answer = folder / "loaded.json"
    subprocess.run(
        [sys.executable, "-c", LOADED, json.dumps(calls), str(answer)],
        check=True,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        timeout=60,
    )
    modules: dict[str, list[str]] = json.loads(answer.read_text())
    return {
        call: heavy
        for call, names in modules.items()
        if (heavy := [name for name in names if name in HEAVY])
    }


def test_no_help_loads_what_only_trials_need(tmp_path: Path) -> None:
    helps = [[name, "--help"] for name in COMMANDS]
    assert loaded(tmp_path, ["--help"], ["--version"], ["scenarios"], *helps) == {}


def test_completion_loads_nothing_either(tmp_path: Path) -> None:
    for words, place in (("race ", "1"), ("race hunt --f", "2")):
        asked = {"_RACE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": place}
        assert loaded(tmp_path, [], **asked) == {}


def test_what_a_command_does_need_is_seen(tmp_path: Path) -> None:
    record = tmp_path / "record.db"
    Store(record).close()
    found = loaded(tmp_path, ["--help"], ["merge", "all.db", str(record)])
    assert list(found) == [f"merge all.db {record}"]
    assert "sqlite_utils" in next(iter(found.values()))


def test_completion_knows_commands_and_options(race: Race) -> None:
    def completed(words: str, place: int) -> list[str]:
        done = race(_RACE_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=str(place))
        return done.stdout.split()

    assert completed("race ", 1) == list(COMMANDS)
    assert completed("race bis", 1) == ["bisect", "bisect-run"]
    assert completed("race hunt --f", 2) == ["--faults", "--for"]


def test_the_version(race: Race) -> None:
    assert race("--version").stdout == f"race-harness {__version__}\n"


def test_help_has_a_whole_line_for_each_command(race: Race) -> None:
    lines = race("--help", COLUMNS="80").stdout.splitlines()
    for name, command in COMMANDS.items():
        assert f"  {name:<10}  {command.summary}" in lines
        assert command.summary.endswith(".")


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_where_it_is_said_to_be(name: str, race: Race) -> None:
    assert COMMANDS[name].function().__doc__
    text = race(name, "--help").stdout
    assert text.startswith(f"Usage: race {name} ")
