"""What happened in a trial, in order, and its digest.

The *happenings* are for people and for the oracle: there are few, each is named by meaning and is
on a lane. The *digest* is for machines: it covers every happening, every scheduling decision and
every chunk of bytes, so two trials with equal digests did the same thing.

Happenings, by lane (times are nanoseconds since the trial began):

client   run-called {call}, run-returned {call}, run-raised {call, error},
         test-called {call}, test-passed {call}, test-failed {call, error, where},
         thread-died {thread, error, where},
         act-called {act, number}, act-returned {act, number}, act-raised {act, number, error},
         callback {event, kind}, callback-done {event}, callback-raised {event}, visible {event},
         state-read {values, errors}, close-called, close-returned, close-raised {error},
         line-stalled {function, line, thread, for_ms}
rest     request {method, route, number, peer}, answer {number, status, execution_status?, cut?},
         fault {action, number, peer, status?, delay_ms?, after_s?}, unanswered {number}
other    asked {act, number}, answered {act, number, status}, unanswered {act, number, error}
watcher  attached {client}, attach-failed {client, error}, given {client, event},
         shown {client, events}, state-shown {client, values, errors}
server   run-requested, run-refused {status}, run-accepted {run}, run-started {run},
         status {status, run}, status-readable {status}, run-ended {run, status, recovered?},
         persisted {event, kind, key?, tool_name?, run?}, publication {event}, run-cleared {run},
         snapshot {status, run?}, stop-hook-denied {run}, state {values},
         frozen {for_ms, clock?}, thawed {stood_ms?}, crashed {for_ms}, restarted {status},
         clock-stepped {by_ms}, disk-filled {for_ms}, disk-freed,
         unwritten {event, kind, key?, tool_name?}, unsaved, saved
socket   subscribed {peer}, frame-sent {event, kind, key?, value?, tool_name?, peer},
         frame-delivered {event, peer}, connected {peer}, disconnected {peer, why}
network  fault {action, link, peer?, code?, for_ms?, fault?, way?}, was-busy {link, peer, for_ms}
thread   line {function, line, names, stores, round, skipped?}, lines-left-out {count}

`other=True` marks what somebody other than the client asked for: on the lane `server`, a run that
is requested, accepted or refused, and a message that is persisted; on `socket`, a connection that
is subscribed or lost.

In the trial of a test, each happening also names its thread. The lane `thread` comes from the
test's log of lines, and no digest covers it.

These go to listeners only, from network/tap.py and network/connection.py:

wire     connection-opened {peer, link}, request-sent, request-received,
         request-answered {peer, request}, frame-up, frame-down {peer, socket}
"""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

LOG_VARIABLE: Final = "RACE_DIGEST_LOG"
"""Environment variable that names a file. Each trial in the simulation appends a line for each
thing that its digest covers, then the digest. Two such files show where two trials parted."""

Listener = Callable[["Happening"], None]


@dataclass(frozen=True, slots=True)
class Happening:
    at_ns: int
    lane: str
    what: str
    detail: dict[str, Any] = field(default_factory=dict)
    by: str | None = None
    """The name of the thread that did it; no digest covers it. None: nobody asked for it."""

    def to_dict(self) -> dict[str, Any]:
        told = {"at_ms": self.at_ns / 1e6, "lane": self.lane, "what": self.what, **self.detail}
        return told if self.by is None else {**told, "by": self.by}


class Trace:
    """An append-only record. `clock` returns the nanoseconds since the trial began."""

    def __init__(self, clock: Callable[[], int]) -> None:
        self.happenings: list[Happening] = []
        self.listeners: list[Listener] = []
        self.probe: Callable[[], None] | None = None
        """Called before anything is recorded, since it may have to record something first."""
        self.author: Callable[[], str | None] = lambda: None
        """Returns the name of the thread to which new happenings belong, or None."""
        self._clock = clock
        self._hash = hashlib.blake2b(digest_size=16)
        self._log: list[bytes] | None = [] if LOG_VARIABLE in os.environ else None

    def now_ns(self) -> int:
        """Return the nanoseconds since the trial began."""
        return self._clock()

    def record(
        self,
        lane: str,
        what: str,
        *,
        at_ns: int | None = None,
        by: str | None = None,
        **detail: Any,
    ) -> Happening:
        """Add a happening now, and tell the listeners (faults wait for moments here).

        `at_ns` is for what happened a little earlier and is reported only now: in real time,
        others may have seen it since. `by` names the thread that did it, if not the author.
        """
        probe = self.probe
        if probe is not None:
            # The probe must not be called for what it records itself.
            self.probe = None
            probe()
            self.probe = probe
        happening = Happening(
            self._clock() if at_ns is None else at_ns, lane, what, detail, by or self.author()
        )
        self.add(happening)
        return happening

    def tell(self, lane: str, what: str, **detail: Any) -> None:
        """Tell the listeners of something that is neither kept nor covered by the digest, because
        it follows from other things that are."""
        if self.listeners:
            happening = Happening(self._clock(), lane, what, detail)
            for listener in self.listeners:
                listener(happening)

    def add(self, happening: Happening) -> None:
        """Add a happening that was recorded elsewhere; it keeps its time."""
        self.happenings.append(happening)
        told = (happening.at_ns, happening.lane, happening.what, happening.detail)
        self._cover(repr(told).encode())
        for listener in self.listeners:
            listener(happening)

    def note(self, *decision: object) -> None:
        """Add a scheduling decision to the digest without keeping it."""
        self._cover(repr(decision).encode())

    def note_bytes(self, label: str, data: bytes) -> None:
        """Add a chunk of bytes to the digest."""
        self._cover(b"%s %d:%s" % (label.encode(), len(data), data))

    def digest(self) -> str:
        return self._hash.hexdigest()

    def log(self) -> list[str]:
        """Return a line for each thing the digest covers; empty unless LOG_VARIABLE is set."""
        covered = self._log or []
        return [repr(each.decode(errors="backslashreplace")) for each in covered]

    def _cover(self, data: bytes) -> None:
        self._hash.update(data)
        if self._log is not None:
            self._log.append(data)


def append_log(lines: list[str], digest: str) -> None:
    """Append a trial to the file that LOG_VARIABLE names, if it is set.

    Raises:
        OSError: the file cannot be written.
    """
    if LOG_VARIABLE in os.environ:
        with Path(os.environ[LOG_VARIABLE]).open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in [*lines, f"digest {digest}"])
