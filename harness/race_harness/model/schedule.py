"""A schedule: everything that can vary in a trial, as one frozen value.

Every field has a benign default, so the fields that differ from it *are* the explanation of a
failure. Fields whose names end in `_ms` are virtual milliseconds, in `_s` virtual seconds.
Moments are named by meaning ("when run() is called"), never by a step number, so that a
schedule means the same on another release of the client.
"""

import json
from dataclasses import asdict, dataclass, field, is_dataclass
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from race_harness.model.errors import UsageError
from race_harness.model.parts.actors import Act, Caller, OtherAct, Watcher
from race_harness.model.parts.field_types import STRICT
from race_harness.model.parts.links import ConnectionLink, Link, LinkKind
from race_harness.model.parts.moment import Moment
from race_harness.model.parts.network_faults import Fault, Gateway, Network, RestFault, Route
from race_harness.model.parts.script import STRANGE, Script, Turn
from race_harness.model.parts.server_timing import Late, ProcessEvent, ServerTiming
from race_harness.model.parts.thread_order import Interleaving, LineStall
from race_harness.model.paths import at, dotted, walk
from race_harness.model.plain_text import unbroken

__all__ = [
    "SCHEMA",
    "STRANGE",
    "Act",
    "Caller",
    "ConnectionLink",
    "Fault",
    "Gateway",
    "Interleaving",
    "Late",
    "LineStall",
    "Link",
    "LinkKind",
    "Moment",
    "Network",
    "OtherAct",
    "ProcessEvent",
    "RestFault",
    "Route",
    "Schedule",
    "Script",
    "ServerTiming",
    "Turn",
    "Watcher",
    "first_complaint",
    "test_named",
]

SCHEMA: Final = 2

_MOST_TOLD: Final = 300
"""The most characters of somebody else's text that an error quotes."""


@dataclass(frozen=True)
class Schedule:
    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    scenario: str
    entropy: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """The seed of ids, WebSocket masks and jitter; it never decides an order by itself."""
    script: Script = field(default_factory=Script)
    server: ServerTiming = field(default_factory=ServerTiming)
    network: Network = field(default_factory=Network)
    rest: tuple[RestFault, ...] = ()
    caller: Caller = field(default_factory=Caller)
    interleaving: Interleaving = field(default_factory=Interleaving)
    counterfactual: bool = False
    """Allows what no released server does: `flushes_first`, and the REST fault `empty`."""
    schema: Literal[2] = SCHEMA
    others: tuple[OtherAct, ...] = ()
    """What others do in the conversation at the same time."""
    watchers: tuple[Watcher, ...] = ()
    """Further clients, which look on."""

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, with every field spelled out."""
        return asdict(self)

    def to_short_dict(self) -> dict[str, Any]:
        """Return the JSON form of only what is not benign, without the scenario's name."""
        short: dict[str, Any] = _ADAPTER.dump_python(self, mode="json", exclude_defaults=True)
        del short["scenario"]
        return short

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), sort_keys=True)

    @property
    def test(self) -> str | None:
        """The name of the user's own test that the trial runs, as pytest writes it; None: it runs
        a scenario, whose name has no colons."""
        return test_named(self.scenario)

    def departures(self) -> tuple[str, ...]:
        """Return the fields that make the server do what no released server does."""
        found = ["server.flushes_first"] if self.server.flushes_first else []
        found += [
            f"rest[{index}], an empty page"
            for index, fault in enumerate(self.rest)
            if fault.action == "empty"
        ]
        return tuple(found)

    def __post_init__(self) -> None:
        if self.departures() and not self.counterfactual:
            raise ValueError(
                f"{', '.join(self.departures())}: no released server does that; set "
                "counterfactual to try it all the same"
            )

    @staticmethod
    def from_dict(data: object) -> "Schedule":
        """Check and read the JSON form.

        Raises:
            UsageError: an unknown field, a wrong type, a value out of range, another schema.
        """
        try:
            # By way of JSON, where a list may stand for a tuple; all else stays strict.
            return _ADAPTER.validate_json(json.dumps(data))
        except ValidationError as error:
            raise UsageError(f"schedule {first_complaint(error, 'schedule')}") from None

    def non_default_fields(self) -> dict[str, Any]:
        """Map the dotted path of each field that is not benign to its value (scenario and entropy
        aside)."""
        benign = Schedule(self.scenario, self.entropy)
        return {
            dotted(place.path): place.value
            # Each fault, act or stall is one entry.
            for place in walk(self, into_elements=False)
            if isinstance(place.path[-1], int)
            or (
                not (is_dataclass(place.value) or isinstance(place.value, tuple))
                and place.value != at(benign, place.path)
            )
        }


def test_named(scenario: str) -> str | None:
    """Return a scenario's name if it is that of a test; only those have colons."""
    return scenario if "::" in scenario else None


def first_complaint(error: ValidationError, whole: str) -> str:
    """Return the first error in a JSON value: its path (or the whole's name) and the reason."""
    first = error.errors(include_url=False)[0]
    # The name of an unknown field may be as long as the file.
    path, says = dotted(first["loc"]) or whole, unbroken(first["msg"])
    return f"field {path[:_MOST_TOLD]!r}: {says[:_MOST_TOLD]}"


_ADAPTER = TypeAdapter(Schedule)
