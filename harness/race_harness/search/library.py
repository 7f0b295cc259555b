"""The scenarios that come with race-harness: one short file each, with its history.

The files are loaded by path, so they take no import name of their own.
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
    """Every scenario's name, in alphabetical order."""
    return sorted(path.stem.replace("_", "-") for path in FOLDER.glob("*.py"))


def load(name: str) -> Scenario:
    """The scenario of that name.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    scenario: Scenario = module(name).SCENARIO
    return scenario


def module(name: str) -> ModuleType:
    """The module of the scenario's file, which is run once.

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
    """The same, read from its file: Hypothesis is imported only when its schedules are asked for.

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
    """The schedule of a failure file, or a plain one, in place of a scenario.

    Raises:
        UsageError: as `read_schedule`.
    """
    # Naming scenarios need not wait for it.
    from race_harness.model.failure import Failure, read_schedule

    found = read_schedule(path)
    return given(found.schedule if isinstance(found, Failure) else found)


def given(schedule: "Schedule") -> Scenario:
    """A schedule in place of a scenario, under the name that it has."""

    def schedules() -> "SearchStrategy[Schedule]":
        from hypothesis import strategies as st

        return st.just(schedule)

    return Scenario(schedule.scenario, "one schedule", schedules, given=schedule)


def _path(name: str) -> Path:
    if name not in names():
        raise UsageError(f"no scenario {name!r}; there are: {', '.join(names())}")
    return FOLDER / f"{name.replace('-', '_')}.py"
