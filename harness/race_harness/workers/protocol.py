"""What the controlling side and a worker tell each other, over a socket for each job.

A job first says that it is `Ready`, or in `Trouble`. Then it answers each request, in order. Any
answer may be a `Trouble`, and then it is the last one. Messages are JSON: the two sides may run
different releases of Python.
"""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from race_harness.model.errors import UsageError, WorldBroken
from race_harness.model.evidence import Evidence
from race_harness.model.schedule import Schedule, first_complaint
from race_harness.model.source_line import SourceLine
from race_harness.model.verdict import TrialResult

Whole = Literal["all", "lines", "failed", "not-ok", "new", "causes", "bodies"] | None
"""Which trials are wanted whole, and not as a result alone: all; all, with the lines that the
threads of a test ran; those that failed; those that are not `ok`; those that failed for a cause
that this job has not yet reported of the scenario; the same, and the other failures without
happenings and stacks; all, with the shapes of what the server sent."""


@dataclass(frozen=True)
class RunTrial:
    """A request: run a trial, and answer with a `TrialDone`."""

    index: int
    schedule: Schedule
    whole: Whole = None
    limit_s: float | None = None
    """Virtual seconds after which a trial of the client in the simulation has hung, for a caller
    who expects that. None: the usual limit."""
    kind: Literal["run-trial"] = "run-trial"


@dataclass(frozen=True)
class ListLines:
    """A request: answer with the `SourceLines`."""

    placed: bool = False
    """Whether the answer says where the lines are."""
    kind: Literal["list-lines"] = "list-lines"


@dataclass(frozen=True)
class Ready:
    """The client is imported and warmed up."""

    version: str
    server_version: str
    """Empty if the server has none."""
    tests: tuple[str, ...] = ()
    """The collected tests, if this worker runs tests."""
    kind: Literal["ready"] = "ready"


@dataclass(frozen=True)
class Trouble:
    """Why there is no answer."""

    says: str
    exit_code: int | None = None
    """That of the HarnessError behind it, if there was one."""
    kind: Literal["trouble"] = "trouble"


@dataclass(frozen=True)
class WholeTrial:
    """All of a trial, as a failure file holds it."""

    happenings: tuple[dict[str, Any], ...]
    evidence: tuple[Evidence, ...]
    notes: tuple[str, ...]
    stacks: dict[str, str]


@dataclass(frozen=True)
class TrialDone:
    """The answer to `RunTrial`."""

    result: TrialResult
    trial: WholeTrial | None = None
    bodies: dict[str, Any] | None = None
    """The shapes of the server's bodies, as in `conformance.shapes.Bodies`."""
    kind: Literal["trial-done"] = "trial-done"


@dataclass(frozen=True)
class SourceLines:
    """The answer to `ListLines`: function and text of each line of the client's source."""

    lines: tuple[tuple[str, str], ...]
    places: tuple[SourceLine, ...] = ()
    kind: Literal["source-lines"] = "source-lines"


Request = RunTrial | ListLines
Answer = Ready | Trouble | TrialDone | SourceLines

_REQUESTS: Final[TypeAdapter[Request]] = TypeAdapter(
    Annotated[Request, Field(discriminator="kind")]
)
_ANSWERS: Final[TypeAdapter[Answer]] = TypeAdapter(Annotated[Answer, Field(discriminator="kind")])


def encode(message: Request | Answer) -> bytes:
    """The message as it is sent."""
    adapter: TypeAdapter[Any] = (
        _REQUESTS if isinstance(message, RunTrial | ListLines) else _ANSWERS
    )
    try:
        return adapter.dump_json(message)
    except PydanticSerializationError:
        # The message may quote a file name that is no valid text.
        return json.dumps(_as_text(adapter.dump_python(message))).encode()


def _as_text(value: Any) -> Any:
    """The value with escapes for what cannot be encoded."""
    match value:
        case str():
            return value.encode(errors="backslashreplace").decode()
        case dict():
            return {_as_text(key): _as_text(each) for key, each in value.items()}
        case list() | tuple():
            return [_as_text(each) for each in value]
    return value


def request_of(data: bytes) -> Request:
    """The request that was sent.

    Raises:
        UsageError: the data is no request, or its schedule cannot exist.
    """
    try:
        return _REQUESTS.validate_json(data)
    except ValidationError as error:
        raise UsageError(f"request {first_complaint(error, 'request')}") from None


def answer_of(data: bytes) -> Answer:
    """The answer that was sent.

    Raises:
        WorldBroken: the data is no answer.
    """
    try:
        return _ANSWERS.validate_json(data)
    except ValidationError as error:
        complaint = first_complaint(error, "answer")
        raise WorldBroken(f"a worker sent an answer that cannot be read: {complaint}") from None
