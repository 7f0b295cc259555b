"""The scenarios that come with race-harness: one short file each, with its history.

The files are loaded by path, so they occupy no import name.
"""

import ast
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from race_harness.model.errors import UsageError
from race_harness.model.scenario import FOLDER, Scenario

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from race_harness.model.schedule import Schedule


def names() -> list[str]:
    """Return every scenario's name, in alphabetical order."""
    return sorted(path.stem.replace("_", "-") for path in FOLDER.glob("*.py"))


def load(name: str) -> Scenario:
    """Return the scenario of that name.

    Raises:
        UsageError: there is none; the message lists the known ones.
    """
    scenario: Scenario = module(name).SCENARIO
    return scenario


def module(name: str) -> ModuleType:
    """Return the module of the scenario's file, which is run only once.

    Raises:
        UsageError: as for `load`.
    """
    path = _path(name)
    known = f"race_harness scenario {name}"
    if known not in sys.modules:
        spec = importlib.util.spec_from_file_location(known, path)
        assert spec is not None
        assert spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        sys.modules[known] = loaded
    return sys.modules[known]


def described(name: str) -> Scenario:
    """Return the scenario without running its file: this imports Hypothesis only when somebody
    asks for its schedules.

    Raises:
        UsageError: as for `load`.
    """
    path = _path(name)
    for node in ast.parse(path.read_bytes()).body:
        match node:
            case ast.Assign([ast.Name("SCENARIO")], ast.Call(keywords=keywords)):
                facts = {
                    keyword.arg: ast.literal_eval(keyword.value)
                    for keyword in keywords
                    if keyword.arg in ("name", "summary", "fails")
                }
                return Scenario(schedules=lambda: load(name).schedules(), **facts)
    raise AssertionError(f"{path} has no SCENARIO")


def of_file(path: Path) -> Scenario:
    """Return the schedule of a failure file, or a plain one, as a scenario.

    Raises:
        UsageError: as `read_schedule`.
    """
    # Imported here so that listing scenarios stays fast.
    from race_harness.model.failure import Failure, read_schedule

    found = read_schedule(path)
    return given(found.schedule if isinstance(found, Failure) else found)


def given(schedule: "Schedule") -> Scenario:
    """Return a schedule as a scenario with the schedule's name."""

    def schedules() -> "SearchStrategy[Schedule]":
        from hypothesis import strategies as st

        return st.just(schedule)

    return Scenario(schedule.scenario, "one schedule", schedules, given=schedule)


def _path(name: str) -> Path:
    if name not in names():
        raise UsageError(f"no scenario {name!r}; there are: {', '.join(names())}")
    return FOLDER / f"{name.replace('-', '_')}.py"
