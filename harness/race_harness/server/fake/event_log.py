"""The persisted events of a conversation, and the ways to read them over REST."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from race_harness.server.disk import EMPTY_FILE, StorageError
from race_harness.server.wire import Event


@dataclass(frozen=True)
class Filter:
    """Which events a query asks for; None matches all."""

    kind: str | None = None
    """A class name, with or without its module."""
    source: str | None = None
    timestamp_gte: str | None = None
    """Naive ISO. Compared as text, as upstream does (event_service.py,
    `_event_matches_filters`)."""
    timestamp_lt: str | None = None

    def matches(self, event: Event) -> bool:
        return (
            (self.kind is None or self.kind.rpartition(".")[2] == event["kind"])
            and (self.source is None or self.source == event["source"])
            and (self.timestamp_gte is None or event["timestamp"] >= self.timestamp_gte)
            and (self.timestamp_lt is None or event["timestamp"] < self.timestamp_lt)
        )


EVERYTHING = Filter()


class PersistedLog:
    """An append-only log, always in the order of the appends.

    Each event is a file. An event that found the disk full has left an empty one, which the next
    append notices.
    """

    def __init__(self, *, search_trips: bool) -> None:
        """`search_trips` says whether a search that comes to an empty file fails."""
        self._search_trips = search_trips
        self._events: list[Event] = []
        self._index: dict[str, int] = {}
        self._empty_after: list[int] = []
        """How many events stand before each empty file."""
        self.empty_noticed = 0

    @property
    def empty(self) -> int:
        """The number of empty files, noticed or not."""
        return len(self._empty_after)

    def leave_empty(self) -> None:
        self._empty_after.append(len(self._events))

    def notice_empty(self) -> None:
        """Take the empty files that are there as part of the log (event_store.py,
        `_sync_from_disk`)."""
        self.empty_noticed = self.empty

    def __len__(self) -> int:
        return len(self._events)

    def append(self, event: Event) -> None:
        self._index[event["id"]] = len(self._events)
        self._events.append(event)

    def get(self, event_id: str) -> Event | None:
        index = self._index.get(event_id)
        return None if index is None else self._events[index]

    def has(self, kind: str) -> bool:
        return any(event["kind"] == kind for event in self._events)

    def unmatched(self, head: int | None, *, errors_answer: bool) -> list[Event]:
        """Return the actions among the first `head` events that have no result yet (state.py,
        `get_unmatched_actions`)."""
        answers = {"ObservationEvent", "UserRejectObservation"}
        answers |= {"AgentErrorEvent"} if errors_answer else set()
        answered = {one["tool_call_id"] for one in self._events if one["kind"] in answers}
        actions = (one for one in self._events[:head] if one["kind"] == "ActionEvent")
        return [action for action in actions if action["tool_call_id"] not in answered]

    def count(self, wanted: Filter = EVERYTHING) -> int:
        return sum(map(wanted.matches, self._events))

    def search(
        self,
        wanted: Filter = EVERYTHING,
        *,
        page_id: str | None = None,
        limit: int = 100,
        descending: bool = False,
    ) -> tuple[list[Event], str | None]:
        """Return one page, and the id with which the next page begins.

        `page_id` is inclusive; an unknown one begins at the first page again (event_service.py,
        `_search_events_sync`).

        Raises:
            StorageError: it came to an empty file, and trips.
        """
        empty_after = self._empty_after[: self.empty_noticed]
        files: Sequence[Event | None] = self._events
        if empty_after:
            files = self._files(empty_after)
        first = len(files) - 1 if descending else 0
        if page_id in self._index:
            first = self._index[page_id] + bisect_right(empty_after, self._index[page_id])
        indices = range(first, -1, -1) if descending else range(first, len(files))
        items: list[Event] = []
        for index in indices:
            event = files[index]
            if event is None and self._search_trips:
                raise StorageError(*EMPTY_FILE)
            if event is None or not wanted.matches(event):
                continue
            if len(items) == limit:
                return items, event["id"]
            items.append(event)
        return items, None

    def _files(self, empty_after: list[int]) -> list[Event | None]:
        files: list[Event | None] = list(self._events)
        for events in reversed(empty_after):
            files.insert(events, None)
        return files
