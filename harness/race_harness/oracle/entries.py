"""What the ledger holds of a trial: events, runs, requests, and what the caller does.

Positions are places in the trace, times are trial nanoseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class LogEntry:
    """One persisted event and what became of it."""

    id: str
    kind: str
    position: int
    persisted_ns: int
    trailing: bool
    run: int | None = None
    """The run that brought it; None: somebody else did."""
    sent: int | None = None
    """Position of its first frame."""
    seen: int | None = None
    """Position at which it became visible."""
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
    """What a further client got to know."""

    attached: int | None = None
    """Position; None: it never was."""
    attached_ns: int = 0
    error: str | None = None
    """What attaching raised."""
    server_was_away: bool = False
    """Whether the server had stood still or died before that."""
    given: list[str] = field(default_factory=list)
    shown: tuple[str, ...] | None = None
    """Its events in the end, in its order."""
    shown_ns: int = 0
    values: dict[str, Any] | None = None
    """Fields of its state."""
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class RunEntry:
    """One run of the agent on the server. Positions in the trace."""

    number: int
    accepted: int = 0
    of_other: bool = False
    """Whether somebody else than the client has asked for it."""
    started: int | None = None
    ended: int | None = None
    status: str | None = None
    is_stale: bool = False
    """Whether that status was there before it started: a client may raise then, and need not."""
    lost: bool = False
    """Whether the server has died in the middle of it."""
    started_ns: int | None = None
    ended_ns: int | None = None
    told: int | None = None
    """When it was cleared, all of it in the log."""
    done: int | None = None
    done_ns: int | None = None
    """When the post-run snapshot was published, or else the last status assigned."""


@dataclass(slots=True)
class Request:
    """A REST request that was under way or spoiled during a call."""

    route: str
    asked_ns: int = 0
    status: int | None = None
    """None: not answered."""
    fault: str | None = None


@dataclass(slots=True)
class OpenRequest:
    """A REST request from its coming to the server to its answer, or to the server's giving up."""

    route: str
    asked_ns: int
    ended_ns: int | None = None
    fault: str | None = None
    delay_ns: int = 0
    """Of the fault."""
    silenced: bool = False


@dataclass(slots=True)
class Doing:
    """Something that the caller does, and what went on between its begin and its end."""

    number: int
    called: int
    called_ns: int
    ended: int | None = None
    ended_ns: int = 0
    requests: dict[int, Request] = field(default_factory=dict)
    network_fault: bool = False
    """Whether a REST connection was disturbed."""
    silenced: bool = False
    """Whether one said nothing for a while, or for ever."""


@dataclass(slots=True)
class ActEntry(Doing):
    """A message, a pause, an interrupt, a close."""

    act: str = ""
    error: str | None = None
    """What it raised."""


@dataclass(slots=True)
class CallEntry(Doing):
    """One call of `run()`."""

    status: str = "idle"
    """The server's status when it ended."""
    run: RunEntry | None = None
    """The server's run for it: the one that it began, or the one that was going on (409)."""
    overlaps: bool = False
    """Whether another call was on its way during it."""
    refused: bool = False
    """Whether the server refused to begin one for it."""
    refused_for: RunEntry | None = None
    """The run that was going on then, also if another was begun for the call afterwards."""
    paused: int | None = None
    """When somebody paused the conversation: the step under way goes on, and may even win."""
