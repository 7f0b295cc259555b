"""Labels: what happened, in words that mean the same on the fake and on the real server.

A label has no id, time, peer or run number. It names events by kind and key or tool, and
connections by the order of their subscriptions; equal labels are counted.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from race_harness.model.trace import Happening

Lane = Literal["rest", "server", "socket", "other"]

FULL_STATE: Final = "full_state"
STATUS: Final = "execution_status"


@dataclass(frozen=True, slots=True)
class Label:
    """For example `persisted ActionEvent(finish)`, `frame full_state=idle on connection 2`."""

    lane: Lane
    what: str
    of: str = ""
    connection: int = 0
    """The number of a frame's socket, counted from one; zero for everything else."""
    nth: int = 1
    """The number among labels that are otherwise equal, counted from one."""

    def __str__(self) -> str:
        text = f"{self.what} {self.of}".rstrip()
        if self.connection > 1:
            text += f" on connection {self.connection}"
        return text if self.nth == 1 else f"{text}, no. {self.nth}"


def event_name(kind: str, key: str | None, value: object, tool: str | None) -> str:
    """Return a name such as `ActionEvent(finish)`, `MessageEvent`, `execution_status=running` or
    `stats`.

    The value of a state update is part of its name only if it is a status: others contain ids.
    """
    if key in (STATUS, FULL_STATE) and value is not None:
        return f"{key}={value}"
    if key is not None:
        return key
    return f"{kind}({tool})" if tool else kind


def numbered(labels: Iterable[Label]) -> tuple[Label, ...]:
    """Number labels that are otherwise equal."""
    seen: Counter[Label] = Counter()
    told = []
    for label in labels:
        first = replace(label, nth=1)
        seen[first] += 1
        told.append(replace(label, nth=seen[first]))
    return tuple(told)


def labels_of(happenings: Iterable[Happening]) -> tuple[Label, ...]:
    """Return the labels of what the server did, in order, without what only the client or the
    network did."""
    return tuple(label for _, label in timed_labels_of(happenings))


def timed_labels_of(happenings: Iterable[Happening]) -> tuple[tuple[int, Label], ...]:
    """Return the same labels, each with its trial nanoseconds."""
    reader = _LabelReader()
    read = [(entry.at_ns, label) for entry in happenings for label in reader.read(entry)]
    labels = numbered(label for _, label in read)
    return tuple((at_ns, label) for (at_ns, _), label in zip(read, labels, strict=True))


def delivered(happenings: Sequence[Happening]) -> list[Happening]:
    """Leave out frames that no client got, or that came after the caller had closed the client.

    Whether a server still writes to a connection that has just been broken or closed depends on
    its event loop, and nobody can know that.
    """
    got = {
        (entry.detail["event"], entry.detail["peer"])
        for entry in happenings
        if entry.what == "frame-delivered"
    }
    closing = (
        place
        for place, entry in enumerate(happenings)
        if entry.what == "close-called" or entry.detail.get("act") == "close"
    )
    closed = next(closing, len(happenings))
    return [
        entry
        for place, entry in enumerate(happenings)
        if entry.what != "frame-sent"
        or (place < closed and (entry.detail["event"], entry.detail["peer"]) in got)
    ]


def recorded(answer: Iterable[dict[str, Any]]) -> list[Happening]:
    """Return the happenings of a list of `Happening.to_dict`, as in failure files."""
    apart = ("at_ms", "lane", "what")
    return [
        Happening(
            round(entry["at_ms"] * 1e6),
            entry["lane"],
            entry["what"],
            {name: value for name, value in entry.items() if name not in apart},
        )
        for entry in answer
    ]


class _LabelReader:
    def __init__(self) -> None:
        self._routes: dict[int, str] = {}
        self._connections: dict[int, int] = {}
        self._subscribed = 0
        self._names: dict[str, str] = {}
        self._statuses: dict[str, str] = {}
        self._status = "idle"

    def read(self, entry: Happening) -> list[Label]:
        detail = entry.detail
        read: Callable[[dict[str, Any]], list[Label]] | None = getattr(
            self, f"_{entry.lane}_{entry.what.replace('-', '_')}", None
        )
        if read is not None:
            return read(detail)
        if entry.lane == "server" and entry.what.startswith("run-"):
            told = detail.get("status")
            return [Label("server", entry.what, "" if told is None else str(told))]
        return []

    def _rest_request(self, detail: dict[str, Any]) -> list[Label]:
        self._routes[detail["number"]] = detail["route"]
        return [Label("rest", "request", detail["route"])]

    def _rest_answer(self, detail: dict[str, Any]) -> list[Label]:
        told = [self._routes[detail["number"]], str(detail["status"])]
        if "execution_status" in detail:
            told.append(detail["execution_status"])
        if detail.get("cut"):
            told.append("cut")
        return [Label("rest", "answer", " ".join(told))]

    def _rest_unanswered(self, detail: dict[str, Any]) -> list[Label]:
        return [Label("rest", "unanswered", self._routes[detail["number"]])]

    def _other_asked(self, detail: dict[str, Any]) -> list[Label]:
        return [Label("other", "asked", detail["act"])]

    def _other_answered(self, detail: dict[str, Any]) -> list[Label]:
        return [Label("other", "answered", f"{detail['act']} {detail['status']}")]

    def _other_unanswered(self, detail: dict[str, Any]) -> list[Label]:
        return [Label("other", "not answered", detail["act"])]

    def _server_status(self, detail: dict[str, Any]) -> list[Label]:
        self._status = detail["status"]
        return [Label("server", "status", detail["status"])]

    def _server_status_readable(self, detail: dict[str, Any]) -> list[Label]:
        return [Label("server", "status-readable", detail["status"])]

    def _server_crashed(self, _detail: dict[str, Any]) -> list[Label]:
        return [Label("server", "crashed")]

    def _server_restarted(self, detail: dict[str, Any]) -> list[Label]:
        return [Label("server", "restarted", str(detail["status"]))]

    def _server_disk_filled(self, _detail: dict[str, Any]) -> list[Label]:
        return [Label("server", "disk-filled")]

    def _server_disk_freed(self, _detail: dict[str, Any]) -> list[Label]:
        return [Label("server", "disk-freed")]

    def _server_unwritten(self, detail: dict[str, Any]) -> list[Label]:
        return [Label("server", "unwritten", self._name(detail))]

    def _server_unsaved(self, _detail: dict[str, Any]) -> list[Label]:
        return [Label("server", "unsaved")]

    def _server_saved(self, _detail: dict[str, Any]) -> list[Label]:
        return [Label("server", "saved")]

    def _server_persisted(self, detail: dict[str, Any]) -> list[Label]:
        return [Label("server", "persisted", self._name(detail))]

    def _server_publication(self, detail: dict[str, Any]) -> list[Label]:
        """Remember the status. There is no label: the event has only an id here, and appears again
        as frames and in the log."""
        self._statuses[detail["event"]] = self._status
        return []

    def _server_snapshot(self, detail: dict[str, Any]) -> list[Label]:
        what = "snapshot" if detail.get("run") is None else "run-snapshot"
        return [Label("server", what, detail["status"])]

    def _server_stop_hook_denied(self, detail: dict[str, Any]) -> list[Label]:
        return [Label("server", "stop-hook-denied")]

    def _socket_subscribed(self, detail: dict[str, Any]) -> list[Label]:
        if detail.get("other"):
            return []
        self._subscribed += 1
        self._connections[detail["peer"]] = self._subscribed
        return [Label("socket", "subscribed", connection=self._subscribed)]

    def _socket_frame_sent(self, detail: dict[str, Any]) -> list[Label]:
        connection = self._connections.get(detail["peer"], 0)
        return [Label("socket", "frame", self._name(detail), connection)]

    def _name(self, detail: dict[str, Any]) -> str:
        """Return the event's name. The log does not have the value of a status: it is that of the
        event's frame, or the one at the time at which it was published or appended, whichever was
        first."""
        key, value = detail.get("key"), detail.get("value")
        if key == STATUS and value is None:
            value = self._statuses.get(detail["event"], self._status)
        return event_name(detail["kind"], key, value, detail.get("tool_name"))
