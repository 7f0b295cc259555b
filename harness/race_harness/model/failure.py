"""A failure file: everything about one failing trial, so that it can be shown and replayed."""

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NotRequired, TypedDict

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    TypeAdapter,
    ValidationError,
    with_config,
)

from race_harness.model.combination import SERVERS, Combination
from race_harness.model.confirmation import Confirmation
from race_harness.model.errors import UsageError
from race_harness.model.evidence import Cause, Evidence
from race_harness.model.outcome import Void
from race_harness.model.permission import is_release, needed_options
from race_harness.model.plain_text import unbroken
from race_harness.model.schedule import Schedule, first_complaint
from race_harness.model.verdict import ORDER, Judgement
from race_harness.model.version import __version__

SCHEMA = 1

LARGEST: Final = 20_000_000
"""The most bytes that a failure file may have. The largest files of real failures have a twentieth
of that, and nobody could read a page made of more."""


@dataclass(frozen=True)
class Failure:
    """`happenings` are as in `model.trace`: dicts with `at_ms`, `lane`, `what` and details."""

    schedule: Schedule
    judgement: Judgement
    digest: str
    client: str
    """The client as typed; if it is a file, with its whole path."""
    resolved_version: str
    server: str
    """The server as typed: `fake`, `real`, `own`, or with a release, `fake:1.58.2`."""
    world: str
    happenings: tuple[dict[str, Any], ...]
    stacks: dict[str, str]
    """Thread name to stack, if the simulation had to stop the trial."""
    server_version: str | None = None
    """The release of the server; None: the file does not say."""
    confirmed: Mapping[str, Confirmation] = field(default_factory=dict)
    """Results of trying the failure in other combinations, by their names; empty: never tried."""
    neighbour: str | None = None
    """The smallest change of the schedule that made it pass, in words; None: not tried."""
    harness_version: str = __version__
    source: tuple[str, ...] = ()
    """Only for tests: the modules that the test is about, besides those of its own project."""
    child_processes: bool = False
    """Only for tests: whether the test may start processes."""
    at_client: bool = False
    """Only for tests: whether the test is in the client's own tree."""
    invariant: bool = False
    """Only for tests: whether `run()` had to return with all events visible."""
    void: Void | None = None
    """Why the trial has no verdict, if it has none; such a trial is never in a file."""

    @property
    def combination(self) -> Combination:
        """The combination in which it failed."""
        return Combination.of(self.world, self.server)

    @property
    def cause(self) -> Cause:
        """See `Judgement.cause`: two failures with equal causes count as the same."""
        return self.judgement.cause

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "schema": SCHEMA,
            "client": self.client,
            "resolved_version": self.resolved_version,
            "server": self.server,
            "server_version": self.server_version,
            "world": self.world,
            "harness_version": self.harness_version,
            "verdicts": list(self.judgement.verdicts),
            "evidence": [entry.to_dict() for entry in self.judgement.evidence],
            "notes": list(self.judgement.notes),
            "non_default_fields": {
                name: _plain(value) for name, value in self.schedule.non_default_fields().items()
            },
            "confirmed": {name: one.to_dict() for name, one in self.confirmed.items()},
            "neighbour": self.neighbour,
            **self._of_test(),
            "schedule": self.schedule.to_dict(),
            "digest": self.digest,
            "stacks": self.stacks,
            "happenings": list(self.happenings),
        }

    def _of_test(self) -> dict[str, Any]:
        if self.schedule.test is None:
            return {}
        told = {"source": list(self.source), "child_processes": self.child_processes}
        others = {"at_client": self.at_client, "invariant": self.invariant}
        return told | {name: value for name, value in others.items() if value}

    def write(self, path: Path) -> None:
        """Write the whole file or nothing.

        Raises:
            UsageError: the file cannot be written.
        """
        options = needed_options(self.client, self.schedule.test)
        _write(path, {"replay": f"race replay {path}{options}", **self.to_dict()})

    @staticmethod
    def read(path: Path) -> "Failure":
        """Read a failure file.

        Raises:
            UsageError: there is no such file, or it is not JSON, truncated, or not a failure file
                of this schema; one line names the file, the field and the reason.
        """
        return Failure.from_json(text_of(path), str(path))

    @staticmethod
    def from_json(text: str, named: str) -> "Failure":
        """Check and read the JSON form; `named` says in errors where it comes from.

        Raises:
            UsageError: as for `read`.
        """
        _check_size(len(text), named)
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{named} is not a whole JSON file: {error}") from None
        if not isinstance(data, dict) or "schedule" not in data:
            raise UsageError(f"{named} is not a failure file: it holds no schedule")
        if data.get("schema") != SCHEMA:
            raise UsageError(
                f"{named} has schema {data.get('schema')!r}; this race-harness reads {SCHEMA}"
            )
        try:
            schedule = Schedule.from_dict(data["schedule"])
            checked = _FILE.validate_json(text)
        except UsageError as error:
            raise UsageError(f"{named}: {error}") from None
        except ValidationError as error:
            raise UsageError(f"{named}: {first_complaint(error, 'failure')}") from None
        return Failure(
            schedule=schedule,
            judgement=Judgement(
                verdicts=tuple(checked["verdicts"]),
                evidence=tuple(map(Evidence.from_dict, checked["evidence"])),
                notes=tuple(checked["notes"]),
            ),
            digest=checked["digest"],
            client=checked["client"],
            resolved_version=checked["resolved_version"],
            server=checked["server"],
            world=checked["world"],
            happenings=tuple(map(dict, checked["happenings"])),
            stacks=checked["stacks"],
            server_version=checked.get("server_version"),
            confirmed={
                name: Confirmation.from_dict(one)
                for name, one in checked.get("confirmed", {}).items()
            },
            neighbour=checked.get("neighbour"),
            source=tuple(checked.get("source", ())),
            child_processes=checked.get("child_processes", False),
            at_client=checked.get("at_client", False),
            invariant=checked.get("invariant", False),
            harness_version=checked["harness_version"],
        )


def read_schedule(path: Path, *, of_tests: bool = False) -> "Failure | Schedule":
    """Read a failure file, or a plain schedule: the value of `schedule` from a failure file, where
    fields that are left out are benign, and the scenario's name is that of the file.

    `of_tests` allows files about the user's own tests too.

    Raises:
        UsageError: the file cannot be read, or is neither; one line names the file, the field and
            the reason.
    """
    found = _read_schedule(path)
    test = (found.schedule if isinstance(found, Failure) else found).test
    if test is not None and not of_tests:
        raise UsageError(
            f"{path} is about the test {unbroken(test)}: race test --schedule, race show and race "
            "export take it as it is; race replay, confirm and bisect take it with --test"
        )
    return found


def _read_schedule(path: Path) -> "Failure | Schedule":
    text = text_of(path)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not a whole JSON file: {error}") from None
    if not isinstance(data, dict) or not data:
        raise UsageError(f"{path} holds neither a failure nor a schedule")
    if "schedule" in data:
        return Failure.from_json(text, str(path))
    try:
        return Schedule.from_dict({"scenario": path.stem, **data})
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def text_of(path: Path) -> str:
    """Return the text of a JSON file of at most `LARGEST` bytes.

    Raises:
        UsageError: the file cannot be read, or is larger.
    """
    try:
        # Non-blocking, since opening a pipe without a writer would wait for one.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UsageError(f"{path} is not a regular file: name one that is")
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror or error}") from None
    _check_size(len(data), str(path))
    try:
        return data.decode()
    except UnicodeError as error:
        raise UsageError(f"{path} is not a whole JSON file: {error}") from None


def _check_size(size: int, named: str) -> None:
    if size > LARGEST:
        raise UsageError(
            f"{named} is larger than a failure file may be, which is {LARGEST // 10**6} MB"
        )


def confirm(path: Path, combination: Combination, confirmation: Confirmation) -> Failure:
    """Add the results of a combination to a failure file, and leave the rest of it as it is.

    Returns the failure as it then is in the file. Several processes may do this at once. A
    confirmation without tries never replaces one with tries.

    Raises:
        UsageError: the file cannot be read or written.
    """
    with _alone_in(path.parent):
        before = Failure.read(path).confirmed.get(str(combination))
        if confirmation.tries or not (before and before.tries):
            data = json.loads(path.read_text(encoding="utf-8"))
            confirmed = {**data.get("confirmed", {}), str(combination): confirmation.to_dict()}
            _write(path, {**data, "confirmed": confirmed})
        return Failure.read(path)


@contextlib.contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Hold a lock on the directory itself, which needs no lock file."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError as error:
        raise UsageError(f"cannot read {directory}: {error.strerror or error}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write(path: Path, data: dict[str, Any]) -> None:
    """Write the whole file or nothing; raises UsageError."""
    # Two campaigns in one directory may write the same failure at once.
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise UsageError(f"cannot write {path}: {error.strerror or error}") from None


def _plain(value: object) -> object:
    return json.loads(json.dumps(value, default=asdict))


def _verdict(name: str) -> str:
    if name not in ORDER:
        raise ValueError(f"no verdict {name!r}")
    return name


def _server(name: str) -> str:
    found = Combination.of("sim", name)
    known = found.server in SERVERS and found.served_by == name
    if not known or (found.release and not is_release(found.release)):
        raise ValueError(f"no server {name!r:.80}; a file names fake, real or own, and a release")
    return name


Verdict = Annotated[str, AfterValidator(_verdict)]
Number = FiniteFloat | None
Count = Annotated[int, Field(ge=0)]


@with_config(ConfigDict(extra="allow", strict=True))
class _Happening(TypedDict):
    at_ms: FiniteFloat
    lane: str
    what: str
    event: NotRequired[str]
    number: NotRequired[int]
    peer: NotRequired[int | str]
    run: NotRequired[int | None]
    by: NotRequired[str]
    thread: NotRequired[str]
    function: NotRequired[str]
    line: NotRequired[str]
    names: NotRequired[list[str]]
    stores: NotRequired[list[str]]
    round: NotRequired[int]
    skipped: NotRequired[int]


@with_config(ConfigDict(extra="allow", strict=True))
class _Event(TypedDict):
    id: str
    kind: NotRequired[str]
    persisted_ms: NotRequired[Number]
    published_ms: NotRequired[Number]
    delivered_ms: NotRequired[Number]
    visible_ms: NotRequired[Number]


@with_config(ConfigDict(strict=True))
class _Difference(TypedDict):
    field: str
    value: str
    truth: str | None


@with_config(ConfigDict(strict=True))
class _Evidence(TypedDict):
    verdict: Verdict
    says: str
    events: list[_Event]
    fact: NotRequired[str]
    call: NotRequired[Count]
    calls: NotRequired[Count]
    ended: NotRequired[Literal["returned", "raised"]]
    error: NotRequired[str]
    stopped: NotRequired[str]
    status: NotRequired[str]
    begun: NotRequired[bool]
    after_s: NotRequired[FiniteFloat]
    timeout_s: NotRequired[FiniteFloat]
    act: NotRequired[str]
    by: NotRequired[Literal["client", "server"]]
    reason: NotRequired[str]
    undone: NotRequired[list[str]]
    differences: NotRequired[list[_Difference]]
    where: NotRequired[str]
    thread: NotRequired[str]


def _combination(name: str) -> str:
    try:
        return str(Combination.parse(name))
    except UsageError as error:
        raise ValueError(str(error)) from None


@with_config(ConfigDict(extra="forbid", strict=True))
class _Confirmation(TypedDict):
    tries: Count
    reproduced: Count
    verdicts: dict[str, Count]
    resolved_version: str
    server_version: str | None
    reason: str | None
    rate: Number


@with_config(ConfigDict(strict=True))
class _File(TypedDict):
    """What `write` writes, except the schedule, which checks itself."""

    verdicts: Annotated[list[Verdict], Field(min_length=1)]
    evidence: list[_Evidence]
    notes: list[str]
    digest: str
    client: str
    resolved_version: str
    server: Annotated[str, AfterValidator(_server)]
    server_version: NotRequired[str | None]
    neighbour: NotRequired[str | None]
    source: NotRequired[list[str]]
    child_processes: NotRequired[bool]
    at_client: NotRequired[bool]
    invariant: NotRequired[bool]
    confirmed: NotRequired[dict[Annotated[str, AfterValidator(_combination)], _Confirmation]]
    world: str
    happenings: list[_Happening]
    stacks: dict[str, str]
    harness_version: str


_FILE = TypeAdapter(_File)
