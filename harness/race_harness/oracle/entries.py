"""The entries of the ledger: events, runs, requests, and what the caller does.

Positions are places in the trace; times are trial nanoseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class LogEntry:
    """One persisted event, and when it was sent, delivered and shown."""

    id: str
    kind: str
    position: int
    persisted_ns: int
    trailing: bool
    run: int | None = None
    """The run that produced it; None: it does not come from a run."""
    sent: int | None = None
    """The position of its first frame."""
    seen: int | None = None
    """The position at which it became visible."""
    published_ns: int | None = None
    delivered_ns: int | None = None
    visible_ns: int | None = None

    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"id": self.id, "kind": self.kind}
        for name in ("persisted", "published", "delivered", "visible"):
            at_ns = getattr(self, f"{name}_ns")
            if at_ns is not None:
                facts[f"{name}_ms"] = at_ns / 1e6
        if self.trailing:
            facts["trailing"] = True
        return facts


def facts_of(entries: Sequence[LogEntry]) -> tuple[dict[str, Any], ...]:
    return tuple(entry.facts() for entry in entries)


@dataclass(slots=True)
class WatcherEntry:
    """What a further client received and showed."""

    attached: int | None = None
    """The position at which it attached; None: it never did."""
    attached_ns: int = 0
    error: str | None = None
    """What attaching raised."""
    server_was_away: bool = False
    """Whether the server had frozen or crashed before that."""
    given: list[str] = field(default_factory=list)
    shown: tuple[str, ...] | None = None
    """The events that it showed at the end, in its order."""
    shown_ns: int = 0
    values: dict[str, Any] | None = None
    """The fields of its state."""
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class RunEntry:
    """One run of the agent on the server."""

    number: int
    accepted: int = 0
    of_other: bool = False
    """Whether somebody other than the client asked for it."""
    started: int | None = None
    ended: int | None = None
    status: str | None = None
    is_stale: bool = False
    """Whether the status was the same before the run started: then a client may raise or not."""
    lost: bool = False
    """Whether the server died in the middle of it."""
    unwritten: bool = False
    """Whether the disk was full and some of its events could not be written: then it fails, and
    may announce its end to nobody."""
    started_ns: int | None = None
    ended_ns: int | None = None
    told: int | None = None
    """The position at which it was cleared: all its events are in the log."""
    done: int | None = None
    done_ns: int | None = None
    """When its post-run snapshot was published; without one, when its last status was assigned."""

    @property
    def is_nobodys(self) -> bool:
        """Whether the server may never have begun it, for all that anybody can know of it."""
        return self.lost or self.unwritten


@dataclass(slots=True)
class Request:
    """A REST request that reached the server during a call or act."""

    route: str
    asked_ns: int = 0
    status: int | None = None
    """None: not answered."""
    fault: str | None = None


@dataclass(slots=True)
class OpenRequest:
    """A REST request, from its arrival at the server until its answer, or until the server gave
    up."""

    route: str
    asked_ns: int
    ended_ns: int | None = None
    fault: str | None = None
    delay_ns: int = 0
    """The delay of the fault."""
    silenced: bool = False


@dataclass(slots=True)
class Doing:
    """Something that the caller does, and what happened between its beginning and its end."""

    number: int
    called: int
    called_ns: int
    ended: int | None = None
    ended_ns: int = 0
    requests: dict[int, Request] = field(default_factory=dict)
    network_fault: bool = False
    """Whether a REST connection was disturbed."""
    silenced: bool = False
    """Whether a REST connection was silent for a while, or for ever."""


@dataclass(slots=True)
class ActEntry(Doing):
    """Any act of the caller except `run()`: a message, a pause, an interrupt, a close."""

    act: str = ""
    error: str | None = None
    """What it raised."""


@dataclass(slots=True)
class CallEntry(Doing):
    """One call of `run()`."""

    status: str = "idle"
    """The server's status when it ended."""
    run: RunEntry | None = None
    """The server's run for it: the one that it began, or one that was already going on (409)."""
    overlaps: bool = False
    """Whether another call, or somebody else's run, was going on during it."""
    refused: bool = False
    """Whether the server refused to begin a run for it."""
    refused_for: RunEntry | None = None
    """The run that was going on when the server refused, even if it later began another."""
    paused: int | None = None
    """The position at which somebody paused the conversation. The step under way still goes on,
    and may even finish the run."""
