"""The ledger: what the oracle needs of a trial, such as log, runs and calls.

Positions in the trace, not times, decide what came first, because much happens at one instant of
virtual time. Times are trial nanoseconds.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from race_harness.model.limits import own_delays_ns
from race_harness.model.schedule import Schedule
from race_harness.oracle.entries import (
    ActEntry,
    CallEntry,
    Doing,
    LogEntry,
    OpenRequest,
    RunEntry,
    WatcherEntry,
)

OWN_ROUTES: Final[Mapping[str, str]] = {
    "send-message": "POST events",
    "pause": "POST pause",
    "interrupt": "POST interrupt",
}
"""The request that an act consists of."""
LAST_CLOSE: Final = "last-close"
"""The `close()` that ends every program; any other `close()` is an ordinary act."""


@dataclass
class Ledger:
    """Everything that the oracle needs from a trace."""

    log: dict[str, LogEntry] = field(default_factory=dict)
    runs: dict[int, RunEntry] = field(default_factory=dict)
    calls: dict[int, CallEntry] = field(default_factory=dict)
    acts: list[ActEntry] = field(default_factory=list)
    requests: dict[int, OpenRequest] = field(default_factory=dict)
    callbacks: list[str] = field(default_factory=list)
    given_ns: dict[str, int] = field(default_factory=dict)
    """When each event was first given to the callback."""
    status: str = "idle"
    """The server's last status."""
    status_since: int = 0
    """The position at which it was assigned."""
    messages: dict[int, str] = field(default_factory=dict)
    """Ids of the caller's own messages, by the positions at which they were persisted."""
    views: dict[int, WatcherEntry] = field(default_factory=dict)
    """What further clients saw, by their numbers."""
    subscribed: int | None = None
    settled_ns: int = 0
    closed: int | None = None
    """The position at which the caller closed the conversation early, if it did."""
    gone: bool = False
    """Whether a restarted server does not know the conversation any more."""
    reset: bool = False
    """Whether a REST connection was reset, and no request has been answered since."""
    silences: list[tuple[int, float]] = field(default_factory=list)
    """Begin and end of each time in which some REST connection may have carried nothing."""
    socket_silences: list[tuple[int, float]] = field(default_factory=list)
    """The same for the socket."""
    ended_ns: int = 0
    """When the last thing happened."""
    shown: dict[str, Any] | None = None
    """The fields of the state that the client showed at the end."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """The errors of the fields that it could not read."""
    truth: dict[str, Any] | None = None
    """The server's state at that time."""
    back_ns: int = 0
    """When the server's process last came back, or is due back, from a freeze or a crash."""
    full: list[tuple[int, float]] = field(default_factory=list)
    """When the disk of its machine was full: begin and end of each time."""
    unsaved: bool = False
    """Whether its state differs from the one on that disk, which is all that REST reads from 1.43
    on."""
    changed_ns: int = 0
    """When the server last did anything."""
    retries_ns: int = 0
    """What a gateway has cost the client: answers that the gateway gave up on, and retries."""
    busy_ns: int = 0
    """How long links of limited bandwidth were busy in all."""
    socket_faults: list[int] = field(default_factory=list)
    """The positions at which the network did something to a socket."""
    socket_changes_ns: list[int] = field(default_factory=list)
    """When a socket was subscribed, was lost, or was hit by a fault."""

    def runs_of_others_during(self, call: CallEntry) -> Iterator[RunEntry]:
        """Yield the runs that somebody else began and that were going on, or were not cleared yet,
        during a call."""
        for run in self.runs.values():
            begun = call.ended is None or run.accepted < call.ended
            if run.of_other and begun and (run.told is None or run.told > call.called):
                yield run

    def own_delays_ns(self, schedule: Schedule) -> int:
        """Return what the schedule itself adds between the server's end and the time at which the
        client knows of it."""
        own_ns = own_delays_ns(schedule, len(self.callbacks), self.busy_ns)
        return own_ns + self.retries_ns

    @property
    def returned_ns(self) -> int:
        """The time at which the last call ended."""
        return max((call.ended_ns for call in self.calls.values()), default=0)

    def open_calls(self) -> Iterator[CallEntry]:
        return (call for call in self.calls.values() if call.ended is None)

    def quiet_since(self, at_ns: int) -> bool:
        """Whether every run is over, and the server has done nothing since `at_ns`."""
        over = all(run.ended is not None for run in self.runs.values())
        return bool(self.runs) and over and self.changed_ns <= at_ns

    def is_silent(self, begin_ns: int, end_ns: int | None = None) -> bool:
        """Whether a REST connection may have been silent at that time, or for a part of it."""
        return _overlap(self.silences, begin_ns, begin_ns if end_ns is None else end_ns)

    def is_socket_silent(self, at_ns: int) -> bool:
        """Whether a socket may have been silent at that time."""
        return _overlap(self.socket_silences, at_ns, at_ns)

    def heard(self, begin_ns: int, end_ns: int) -> bool:
        """Whether a socket was subscribed all that time, and nothing happened to it."""
        if not self.socket_changes_ns or self.socket_changes_ns[0] > begin_ns:
            return False
        return not any(begin_ns <= at_ns <= end_ns for at_ns in self.socket_changes_ns)

    def open(self) -> Iterator[Doing]:
        """Yield the calls and acts that have begun and not ended."""
        yield from self.open_calls()
        yield from (act for act in self.acts if act.ended is None)


def is_close(act: str) -> bool:
    """Whether the act ends the connections, for which the client may wait for the server."""
    return act in ("close", LAST_CLOSE)


def _overlap(silences: Sequence[tuple[int, float]], begin_ns: int, end_ns: int) -> bool:
    return any(begin <= end_ns and begin_ns < end for begin, end in silences)
