"""The scenarios that come with race-harness: one short file each, with its history."""

import ast
import importlib
import pkgutil
from pathlib import Path

from harness.errors import UsageError
from harness.scenario import Scenario


def names() -> list[str]:
    """Every scenario's name, in alphabetical order."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Scenario:
    """The scenario of that name.

    Raises:
        UsageError: there is none; the message lists those there are.
    """
    module = importlib.import_module(f"{__name__}.{_module(name)}")
    scenario: Scenario = module.SCENARIO
    return scenario


def described(name: str) -> Scenario:
    """The same, read from its file: Hypothesis is imported only when its schedules are asked for.

    Raises:
        UsageError: as for `load`.
    """
    path = Path(__file__).with_name(f"{_module(name)}.py")
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


def _module(name: str) -> str:
    if name not in names():
        raise UsageError(f"no scenario {name!r}; there are: {', '.join(names())}")
    return name.replace("-", "_")
