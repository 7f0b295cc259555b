"""The scenarios that come with race-harness: one short file each, with its history."""

import importlib
import pkgutil

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
    if name not in names():
        raise UsageError(f"no scenario {name!r}; there are: {', '.join(names())}")
    module = importlib.import_module(f"scenarios.{name.replace('-', '_')}")
    scenario: Scenario = module.SCENARIO
    return scenario
