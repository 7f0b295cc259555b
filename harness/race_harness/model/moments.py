"""Calls faults and acts at the moments that a schedule names, such as the second frame sent."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from race_harness.model.schedule import Moment
from race_harness.model.trace import Happening, Trace

NAMES = {
    ("client", "run-called"): "run-called",
    ("client", "test-called"): "run-called",
    ("client", "run-returned"): "run-returned",
    ("client", "run-raised"): "run-returned",
    ("client", "test-passed"): "run-returned",
    ("client", "test-failed"): "run-returned",
    ("server", "run-requested"): "run-requested",
    ("server", "run-accepted"): "run-accepted",
    ("server", "run-started"): "run-started",
    ("server", "run-ended"): "run-ended",
    ("server", "run-cleared"): "run-cleared",
    ("server", "persisted"): "persisted",
    ("server", "snapshot"): "snapshot-sent",
    ("socket", "frame-sent"): "frame-sent",
    ("socket", "frame-delivered"): "frame-delivered",
    ("socket", "subscribed"): "subscribed",
}
"""The name of a moment in schedules, by the lane and name of the happening."""


@dataclass(slots=True)
class _Waiting:
    """An action that waits for a moment. `seen` counts moments of the wire, each for itself; the
    others are counted together."""

    moment: Moment
    action: Callable[[int | None], None]
    seen: int = 0


class Moments:
    """Listens to a trace. Actions must not block; each runs in the thread in which its moment
    happens."""

    def __init__(self, trace: Trace) -> None:
        self._waiting: list[_Waiting] = []
        self._seen: Counter[tuple[str, bool]] = Counter()
        self._running_since_ns: int | None = None
        self._run_requests: set[int] = set()
        self._trace = trace

    def when(self, moment: Moment, action: Callable[[], None]) -> None:
        """Call `action` when the moment comes; the caller must wait for its `after_ms` itself."""
        self.when_there(moment, lambda _peer: action())

    def when_there(self, moment: Moment, action: Callable[[int | None], None]) -> None:
        """Do the same, and pass `action` the client's port of the connection on which the moment
        happened, or None if that is not known."""
        if not self._waiting:
            # Counting begins with the first action: a trial without any need not listen.
            self._trace.listeners.append(self._notice)
        self._waiting.append(_Waiting(moment, action))

    def _notice(self, happening: Happening) -> None:
        if happening.lane == "wire":
            self._notice_on_wire(happening)
            return
        for name in self._names(happening):
            if name == "run-called" and self._running_since_ns is None:
                self._running_since_ns = happening.at_ns
            running = self._running(happening)
            self._seen[name, False] += 1
            self._seen[name, True] += running
            for waiting in list(self._waiting):
                moment = waiting.moment
                since_run = moment.since == "run-called"
                if (
                    moment.what == name
                    and moment.nth == self._seen[name, since_run]
                    and (running or not since_run)
                ):
                    waiting.action(happening.detail.get("peer"))

    def _notice_on_wire(self, happening: Happening) -> None:
        for waiting in list(self._waiting):
            moment = waiting.moment
            if _is_meant(moment, happening) and (
                moment.since == "start" or self._running(happening)
            ):
                waiting.seen += 1
                if waiting.seen == moment.nth:
                    waiting.action(happening.detail["peer"])

    def _running(self, happening: Happening) -> bool:
        # A happening of another process may arrive late, and be older than that call.
        since_ns = self._running_since_ns
        return since_ns is not None and since_ns <= happening.at_ns

    def _names(self, happening: Happening) -> list[str]:
        if happening.lane == "rest":
            return self._names_of_rest(happening)
        if happening.lane == "socket" and happening.detail.get("other"):
            return []  # Somebody else's.
        name = NAMES.get((happening.lane, happening.what))
        return [] if name is None else [name]

    def _names_of_rest(self, happening: Happening) -> list[str]:
        number = happening.detail.get("number", 0)
        if happening.what == "request" and happening.detail["route"] == "POST run":
            self._run_requests.add(number)
        if happening.what != "answer":
            return []
        if number in self._run_requests:
            return ["run-answered"]
        return ["polled"] if "execution_status" in happening.detail else []


def _is_meant(moment: Moment, happening: Happening) -> bool:
    """Whether a happening on the wire is such a moment, whatever its number."""
    detail = happening.detail
    return (
        moment.what == happening.what
        and (moment.request is None or fnmatchcase(detail["request"], moment.request))
        and moment.link in (None, detail.get("link"))
        and moment.socket in (None, detail.get("socket"))
    )
