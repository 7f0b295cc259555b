"""A schedule: everything that can vary in a trial, as one frozen value.

Every field has a benign default, so the fields that differ from it *are* the explanation of a
failure. Times whose names end in `_ms` are virtual milliseconds, in `_s` virtual seconds.
Faults are named by meaning ("when run() is called"), never by a step number, so that a
schedule means the same on another release of the client.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from harness.errors import UsageError

SCHEMA: Final = 1

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Milliseconds = Annotated[float, Field(ge=0, le=3_600_000)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]
Count = Annotated[int, Field(ge=0, le=1_000)]


@dataclass(frozen=True)
class Script:
    """What the agent does in each run."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    tool_calls: Count = 0
    """Action and observation pairs before the finish."""
    outcome: Literal["finished", "error", "stuck"] = "finished"
    stop_hook_denials: Count = 0
    """How often a stop hook takes `finished` back to `running` before it lets the run end."""


@dataclass(frozen=True)
class ServerTiming:
    """How long each act of the server takes."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    answer_run_ms: Milliseconds = 0.0
    """The run's background task created, to the answer of `POST /run` being written."""
    start_ms: Milliseconds = 0.4
    """The run's background task created, to status `running` being assigned."""
    think_ms: Milliseconds = 200.0
    """Each step's wait for the LLM."""
    tool_ms: Milliseconds = 1.0
    """An action, to its observation."""
    persist_ms: Milliseconds = 0.5
    """One append to the event log."""
    publish_ms: Milliseconds = 0.5
    """A publication scheduled, to its frame written. First in, first out."""
    snapshot_ms: Milliseconds = 1.0
    """Building a full-state frame once the state lock is held."""


@dataclass(frozen=True)
class Link:
    """One kind of TCP connection between client and server, the same both ways."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    latency_ms: Milliseconds = 0.5
    """One way."""
    jitter_ms: Milliseconds = 0.0
    """The most that a chunk is late beyond the latency; TCP still never reorders."""


@dataclass(frozen=True)
class Moment:
    """The `nth` time that something happens in the trial."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    what: Literal[
        "run-called",
        "run-requested",
        "run-answered",
        "run-started",
        "run-ended",
        "persisted",
        "frame-sent",
        "snapshot-sent",
        "subscribed",
    ] = "run-called"
    nth: Annotated[int, Field(ge=1, le=10_000)] = 1
    after_ms: Milliseconds = 0.0


@dataclass(frozen=True)
class Fault:
    """One thing that the network does to the newest connection of a kind.

    reset      both ends see a TCP reset (RFC 9293, section 3.5.2)
    close      the server sends a WebSocket close frame (RFC 6455, section 5.5.1)
    stall      nothing is delivered for a while; TCP then delivers all of it
    half-open  nothing is delivered any more and neither end is told
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    action: Literal["reset", "close", "stall", "half-open"]
    at: Moment = field(default_factory=Moment)
    link: Literal["socket", "rest"] = "socket"
    code: Annotated[int, Field(ge=1000, le=4999)] = 1001
    """Of `close` only."""
    stall_ms: Milliseconds = 0.0
    """Of `stall` only."""


@dataclass(frozen=True)
class Network:
    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    rest: Link = field(default_factory=Link)
    socket: Link = field(default_factory=Link)
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class Caller:
    """The program that uses the client."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    pause_ms: Milliseconds = 100.0
    """The conversation created, to the message sent. Up to 1.9 the constructor did not wait for
    the socket to be subscribed, and lost what came before."""
    callback_ms: Milliseconds = 0.0
    """How long the public callback takes on the events of `callback_on`."""
    callback_on: Literal["finish", "all"] = "finish"
    settle_s: Seconds = 10.0
    """After `run()` returned, before the late judgements and `close()`."""


@dataclass(frozen=True)
class Interleaving:
    """Which thread goes on when several could."""

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """None: a thread runs until it blocks. A number: random switches at scheduling points."""


@dataclass(frozen=True)
class Schedule:
    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    scenario: str
    entropy: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Seeds ids, WebSocket masks and jitter; never decides an order by itself."""
    script: Script = field(default_factory=Script)
    server: ServerTiming = field(default_factory=ServerTiming)
    network: Network = field(default_factory=Network)
    caller: Caller = field(default_factory=Caller)
    interleaving: Interleaving = field(default_factory=Interleaving)
    schema: Literal[1] = SCHEMA

    def to_dict(self) -> dict[str, Any]:
        """The JSON form, with every field spelled out."""
        return asdict(self)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), sort_keys=True)

    @staticmethod
    def from_dict(data: object) -> "Schedule":
        """Check and read the JSON form.

        Raises:
            UsageError: an unknown field, a wrong type, a value out of range, another schema.
        """
        try:
            # The JSON route: there a list may stand for a tuple, all else stays strict.
            return _ADAPTER.validate_json(json.dumps(data))
        except ValidationError as error:
            raise UsageError(f"schedule {first_complaint(error, 'schedule')}") from None

    def non_default_fields(self) -> dict[str, Any]:
        """Dotted path to value of each field that is not benign (scenario and entropy aside)."""
        benign = Schedule(self.scenario, self.entropy)
        return dict(_differences(self, benign, ""))


def first_complaint(error: ValidationError, whole: str) -> str:
    """The first thing wrong in a JSON value: its path (or the whole's name) and the reason."""
    first = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or whole
    return f"field {where!r}: {first['msg']}"


_ADAPTER = TypeAdapter(Schedule)


def _differences(value: Any, benign: Any, path: str) -> Iterator[tuple[str, Any]]:
    for entry in fields(value):
        mine, theirs = getattr(value, entry.name), getattr(benign, entry.name)
        if mine == theirs:
            continue
        if is_dataclass(mine):
            yield from _differences(mine, theirs, f"{path}{entry.name}.")
        else:
            yield f"{path}{entry.name}", mine
