"""What the facts about a machine mean: one finding for each, with the way out. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

State = Literal["ok", "note", "missing"]
"""`note`: something that not everybody needs works less well, or not at all. `missing`: something
necessary is missing."""

ROOM_GB: Final = 3.0
"""Gigabytes that two environments with a server and a long record need."""


@dataclass(frozen=True)
class Diagnosis:
    name: str
    state: State
    says: str
    todo: str | None = None

    def to_dict(self) -> dict[str, str | None]:
        """The JSON form."""
        return {"name": self.name, "state": self.state, "says": self.says, "do": self.todo}


@dataclass(frozen=True)
class Storage:
    """A folder to which race-harness writes."""

    path: Path
    problem: str | None
    """Why it is not writable; None: it is."""
    free_gb: float
    size_gb: float = 0.0
    entries: int = 0
    measured: bool = True
    """Whether all of its files were measured."""


@dataclass(frozen=True)
class Machine:
    """All facts about a machine."""

    harness: str
    python: str
    executable: Path
    free_threaded: bool
    platform: str
    complaint: str | None
    """Why race-harness does not run on it."""
    uv: str | None
    index: str
    """The index's address, without password."""
    releases: int
    """How many releases of openhands-sdk the index has."""
    index_problem: str | None
    cache: Storage
    record: Storage
    trials: int | None
    """None: there is no record yet."""
    record_problem: str | None
    namespaces_problem: str | None
    tools: dict[int, str]
    """Tool ids of `sys.monitoring` in use, with the names of their holders."""
    sdk: str | None
    agent_server: str | None
    browser: Path | None
    driver: Path | None
    leftovers: tuple[Path, ...]


def diagnoses(machine: Machine) -> list[Diagnosis]:
    """One diagnosis for each thing, the necessary ones first."""
    return [*_needed(machine), *_useful(machine)]


def is_well(found: list[Diagnosis]) -> bool:
    """Whether nothing necessary is missing."""
    return all(one.state != "missing" for one in found)


def _needed(machine: Machine) -> Iterator[Diagnosis]:
    yield _platform(machine)
    yield _python(machine)
    yield _uv(machine)
    yield _cache(machine.cache)
    yield _record(machine)
    yield _tools(machine.tools)


def _useful(machine: Machine) -> Iterator[Diagnosis]:
    yield _index(machine)
    yield _namespaces(machine.namespaces_problem)
    yield _package("openhands-sdk", machine.sdk, "`race test` and releases do without")
    yield _package(
        "openhands-agent-server", machine.agent_server, "releases have one of their own"
    )
    yield _browser(machine)
    yield _leftovers(machine.leftovers)


def _platform(machine: Machine) -> Diagnosis:
    if machine.complaint is not None:
        said, _, todo = machine.complaint.rpartition(": ")
        return Diagnosis("platform", "missing", said, todo)
    return Diagnosis("platform", "ok", machine.platform)


def _python(machine: Machine) -> Diagnosis:
    says = f"{machine.python} in {machine.executable}, with race-harness {machine.harness}"
    if machine.free_threaded:
        todo = "use the usual build: nobody has tried race-harness with this one"
        return Diagnosis("interpreter", "note", f"{says}, free-threaded", todo)
    return Diagnosis("interpreter", "ok", says)


def _uv(machine: Machine) -> Diagnosis:
    if machine.uv is None:
        return Diagnosis(
            "uv", "missing", "not installed; it builds the clients' environments", "pip install uv"
        )
    return Diagnosis("uv", "ok", machine.uv)


def _index(machine: Machine) -> Diagnosis:
    if machine.index_problem is not None:
        todo = (
            "check the network or UV_DEFAULT_INDEX; clients that were used before, and tests of "
            "your own, need no index"
        )
        return Diagnosis("package index", "note", machine.index_problem, todo)
    said = f"{machine.index} has {machine.releases} releases of openhands-sdk"
    return Diagnosis("package index", "ok", said)


def _cache(place: Storage) -> Diagnosis:
    size = f"{place.size_gb:.1f} GB" if place.measured else f"over {place.size_gb:.1f} GB"
    says = f"{place.entries} environments, {size}, in {place.path}; {place.free_gb:.1f} GB free"
    if place.problem is not None:
        todo = "set RACE_HOME to a folder that can be written"
        return Diagnosis("cache", "missing", f"{place.path}: {place.problem}", todo)
    if place.free_gb < ROOM_GB:
        todo = "make room, such as with `race cache --prune`, or set RACE_HOME to a larger disk"
        return Diagnosis("cache", "note", says, todo)
    return Diagnosis("cache", "ok", says)


def _record(machine: Machine) -> Diagnosis:
    place = machine.record
    if machine.record_problem is not None:
        said, _, todo = machine.record_problem.rpartition("; ")
        way_out = "set RACE_RECORD to another file"
        return Diagnosis(
            "record", "missing", said or machine.record_problem, todo if said else way_out
        )
    if place.problem is not None:
        todo = "set RACE_RECORD to a file that can be written; until then nothing is recorded"
        return Diagnosis("record", "note", f"{place.path}: {place.problem}", todo)
    if machine.trials is None:
        return Diagnosis("record", "ok", f"none yet; it will be {place.path}")
    said = f"{machine.trials} trials, {1000 * place.size_gb:.1f} MB, whole, in {place.path}"
    return Diagnosis("record", "ok", said)


def _namespaces(problem: str | None) -> Diagnosis:
    if problem is not None:
        return Diagnosis(
            *("own folders", "note", f"no mount namespaces: {problem}"),
            "run as root, or allow user namespaces; until then repetitions of a test share the "
            "files of its project, and paths in them differ",
        )
    return Diagnosis("own folders", "ok", "each repetition of a test has folders of its own")


def _tools(held: dict[int, str]) -> Diagnosis:
    names = ", ".join(f"{number} {name}" for number, name in sorted(held.items()))
    says = f"{6 - len(held)} of 6 tool ids are free" + (f"; held: {names}" if held else "")
    if len(held) == 6:
        todo = "run without a debugger, profiler or coverage tool that holds one"
        return Diagnosis("sys.monitoring", "missing", says, todo)
    return Diagnosis("sys.monitoring", "ok", says)


def _package(name: str, version: str | None, without: str) -> Diagnosis:
    if version is None:
        todo = f"pip install {name}, if tests of your own or `installed` are to use it"
        return Diagnosis(name, "note", f"not installed here; {without}", todo)
    return Diagnosis(name, "ok", f"{version} is installed here")


def _browser(machine: Machine) -> Diagnosis:
    if machine.browser is None or machine.driver is None:
        todo = "apt-get install chromium chromium-driver, to work on race-harness itself"
        said = "none in /usr/bin; only the tests of the report's page use one"
        return Diagnosis("browser", "note", said, todo)
    return Diagnosis("browser", "ok", f"{machine.browser} and {machine.driver}")


def _leftovers(paths: tuple[Path, ...]) -> Diagnosis:
    if not paths:
        return Diagnosis("leftovers", "ok", "none of killed runs")
    first = paths[0].parent
    said = f"{len(paths)} folders of killed runs, such as {first / paths[0].name}"
    todo = "`race cache --prune` removes what builds left; the next run of trials does the rest"
    return Diagnosis("leftovers", "note", said, todo)
