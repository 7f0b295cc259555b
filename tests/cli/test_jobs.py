"""`--jobs` is one option wherever there is one, and changes nothing but how long it takes."""

import inspect
import json
import sqlite3
import typing
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_rig import Race, call

from race_harness.cli.commands import COMMANDS
from race_harness.cli.console import Jobs
from race_harness.model.failure import Failure

RUN_TRIALS = {
    *("demo", "compare", "run", "soak", "bisect", "bisect-run", "replay", "confirm", "atlas"),
    *("conform", "test", "hunt"),
}

ONE_AFTER_ANOTHER = {"show"}
"""Each trial depends on the last."""

OF_THE_MACHINE = {
    "worker_seconds",
    "wall_ms",
    "trials_per_s",
    "seconds",
    "campaign",
    "began",
    "ended",
    "started",
}
"""No two calls have these in common."""


def test_it_is_the_same_option_everywhere() -> None:
    for name, command in COMMANDS.items():
        function = command.function()
        hints = typing.get_type_hints(function, include_extras=True)
        assert (hints.get("jobs") == Jobs) == (name in RUN_TRIALS), name
        if name in RUN_TRIALS:
            assert inspect.signature(function).parameters["jobs"].default is None
        if name in ONE_AFTER_ANOTHER:
            assert "one trial after another" in " ".join(call_help(name).split())


def call_help(name: str) -> str:
    done = call(Path.cwd(), name, "--help")
    assert done.returncode == 0
    return done.stdout


def numbers(race: Race, jobs: int, *arguments: object) -> Any:
    done = race(*arguments, "--jobs", jobs, "--json", "-", "--record", f"{jobs}.db")
    assert done.stdout, done.stderr
    return without_times(json.loads(done.stdout))


def without_times(data: Any) -> Any:
    if isinstance(data, dict):
        return {
            name: without_times(value)
            for name, value in data.items()
            if name not in OF_THE_MACHINE
        }
    return [*map(without_times, data)] if isinstance(data, list) else data


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "reference:eager", "--reps", 30, "--seed", 3],
        pytest.param(
            ["compare", "reference:poll", "reference", "--reps", 30, "--scenario", "cut-at-run"],
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            ["soak", "reference:poll", "--scenario", "final-events", "--reps", 30],
            marks=pytest.mark.nightly,
        ),
    ],
    ids=["run", "compare", "soak"],
)
def test_the_numbers_are_the_same_with_any_number(race: Race, arguments: list[object]) -> None:
    one, two = (numbers(race, jobs, *arguments) for jobs in (1, 2))
    assert one == two


@pytest.mark.nightly
def test_a_hunt_finds_the_same_with_any_number(race: Race) -> None:
    """With a number of schedules; by the clock it goes as far as it comes."""
    hunt = ("hunt", "reference:poll", "--faults", "latency", "--examples", 30, "--shrink", 20)
    one, two = (numbers(race, jobs, *hunt) for jobs in (1, 2))
    assert len(one["failures"]) > 1
    assert one == two


def test_a_replay_is_the_same_with_any_number(race: Race, late: Failure, tmp_path: Path) -> None:
    late.write(tmp_path / "late.json")
    eager = replace(late, client="reference:eager", schedule=replace(late.schedule, entropy=7))
    eager.write(tmp_path / "eager.json")
    files = ("eager.json", "late.json", "eager.json")
    told, trials = [], []
    for jobs in (1, 2):
        options = ("--times", 3, "--jobs", jobs, "--record", f"{jobs}.db")
        told.append(race("replay", *files, *options).stdout)
        with closing(sqlite3.connect(tmp_path / f"{jobs}.db")) as record:
            query = "SELECT series, number, digest, schedule FROM trials ORDER BY series, number"
            trials.append(record.execute(query).fetchall())
    assert told[0] == told[1]
    assert trials[0] == trials[1]
    assert len(trials[0]) == 9
    assert "late.json: reproduced" in told[0]
