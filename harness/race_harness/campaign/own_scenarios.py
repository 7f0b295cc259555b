"""Scenarios as the command line names them: those that come with the harness by name, others by
the file that they are in, `FILE.py` or `FILE.py:NAME`.

Such a file is run. Only the user of a command, or pytest's configuration, can name it: records and
failure files hold only the names of scenarios.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

from race_harness.clients import own_clients
from race_harness.model.errors import UsageError
from race_harness.model.scenario import FOLDER, Scenario
from race_harness.search import library
from race_harness.search.draw import draw_batch

NAME: Final = "SCENARIO"
"""The name that a file must define, if no other name is given."""


def find_scenario(argument: str) -> Scenario:
    """The scenario of that name, or of a file, which this runs.

    Raises:
        UsageError: there is none; the file cannot be read, raises, or holds no scenario; its name
            belongs to one that comes with the harness. One line.
    """
    own = own_clients.split(argument, NAME)
    return library.load(argument) if own is None else _of_file(*own)


def find_scenarios(arguments: Iterable[str]) -> list[Scenario]:
    """Several of them, each once.

    Raises:
        UsageError: as `find_scenario`, or two different scenarios have the same name.
    """
    found: dict[str, Scenario] = {}
    for argument in arguments:
        one = find_scenario(argument)
        if found.setdefault(one.name, one).source != one.source:
            raise UsageError(
                f"{argument}: another file has a scenario named {one.name!r}, too: rename one"
            )
    return list(found.values())


def _of_file(path: Path, name: str) -> Scenario:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
    try:
        # Resolved, since `account` looks for lines of this very path.
        module = own_clients.run_file(path.resolve(), "race_scenario")
    except ModuleNotFoundError as error:
        raise UsageError(
            f"{path} needs {error.name}, which is not installed in the environment of race-harness"
        ) from error
    except (Exception, SystemExit) as error:
        says = own_clients.account(error, path.resolve())
        raise UsageError(f"{path} {says}") from error
    found = vars(module).get(name)
    if found is None:
        there = [other for other, value in vars(module).items() if isinstance(value, Scenario)]
        others = f"; scenarios there are: {', '.join(there)}" if there else ""
        raise UsageError(f"{path} has no {name}{others}")
    if not isinstance(found, Scenario):
        raise UsageError(f"{path}: {name} is no race_harness.Scenario")
    if found.name in library.names():
        if text == (FOLDER / f"{found.name.replace('-', '_')}.py").read_bytes():
            return library.load(found.name)
        raise UsageError(
            f"{path}: a scenario named {found.name!r} comes with race-harness: give yours another "
            "name"
        )
    digest = hashlib.sha256(text + name.encode()).hexdigest()[:16]
    return _checked(path, replace(found, source=digest))


def _checked(path: Path, scenario: Scenario) -> Scenario:
    """Find its faults now, and not after an hour of other scenarios."""
    name = scenario.name
    if not isinstance(name, str) or not re.fullmatch(r"\w[\w.+-]*", name):
        raise UsageError(f"{path}: {name!r} is no name: take letters, digits and hyphens")
    from packaging.specifiers import InvalidSpecifier

    try:
        scenario.known_to_fail("1.0")
    except InvalidSpecifier as error:
        raise UsageError(f"{path}: fails: {error}") from None
    try:
        draw_batch(scenario, 0, 0, 1)
    except Exception as error:
        says = own_clients.account(error, path.resolve())
        raise UsageError(f"{path}: drawing a schedule {says}") from error
    return scenario
