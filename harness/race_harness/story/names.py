"""Short names for the events, routes and times of a trace.

An event is numbered by its place in the server's log, so `#4` is the fourth event that the
server persisted, whatever order the client saw it in.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

FULL_STATE: Final = "full state"
"""Each of its frames has an id, although it is no event of the server's log."""

_DESCRIBING: Final = ("kind", "tool", "tool_name", "key", "value")


class Names:
    """The names of all events of one trial, from its happenings."""

    def __init__(self, happenings: Iterable[Mapping[str, Any]]) -> None:
        self._numbers: dict[str, int] = {}
        self._described: dict[str, dict[str, Any]] = {}
        for happening in happenings:
            if "event" not in happening:
                continue
            event = str(happening["event"])
            if happening["what"] == "persisted":
                self._numbers.setdefault(event, len(self._numbers) + 1)
            # Any happening may hold the facts: only the frame holds a state's value.
            self.learn(event, happening)

    def learn(self, event: str, facts: Mapping[str, Any]) -> None:
        """Take what describes an event from a happening or a piece of evidence."""
        described = self._described.setdefault(event, {})
        for field in _DESCRIBING:
            if facts.get(field) is not None:
                described.setdefault(field, facts[field])

    def short(self, event: str) -> str:
        """`#4`; for an event that was never persisted, its kind."""
        if event in self._numbers:
            return f"#{self._numbers[event]}"
        return self._what(event)

    def full(self, event: str) -> str:
        """`#4 ActionEvent(finish)`."""
        if event in self._numbers:
            return f"{self.short(event)} {self._what(event)}"
        return self._what(event)

    def _what(self, event: str) -> str:
        described = self._described.get(event, {})
        kind = str(described.get("kind", f"event {event[:8]}"))
        tool = described.get("tool") or described.get("tool_name")
        key, value = described.get("key"), described.get("value")
        if key == "full_state":
            return FULL_STATE
        if key == "execution_status" and isinstance(value, str):
            return f"status={value}"
        if key:
            return f"state {key}"
        return f"{kind}({tool})" if tool else kind


def several(events: Sequence[str]) -> str:
    """Short names in their order, runs of numbers shortened: `#3 to #7, full state, #9`."""
    groups: list[list[str]] = []
    for event in events:
        if groups and event == _successor(groups[-1][-1]):
            groups[-1].append(event)
        else:
            groups.append([event])
    return ", ".join(
        f"{group[0]} to {group[-1]}" if len(group) > 2 else ", ".join(group) for group in groups
    )


def _successor(event: str) -> str | None:
    return f"#{int(event[1:]) + 1}" if event.startswith("#") else None


def endpoint(method: object, route: object) -> str:
    """`POST run` for `/api/conversations/{id}/run`: only the part that differs.

    A route that is short already, method included, stays as it is.
    """
    path = str(route).removeprefix(f"{method} ")
    parts = path.partition("?")[0].strip("/").split("/")
    if parts[0] == "api":
        parts = parts[1:]
    if parts[0:1] == ["conversations"] and len(parts) > 1:
        parts = parts[2:] or ["conversation"]
    return f"{method} {'/'.join(parts) or '/'}"


def clock(at_ms: float) -> str:
    """Milliseconds as the timeline shows them."""
    return f"{at_ms:.1f}"
