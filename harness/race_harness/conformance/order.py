"""The order of what happened in one conversation, and what follows from it."""

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Final

from race_harness.conformance.labels import FULL_STATE, STATUS, Label
from race_harness.server.profile import Profile

STREAMED = "StreamingDeltaEvent"
"""A piece of the LLM's answer, which is never persisted and may come at any time."""

STATISTICS: Final = "stats"
_WITHOUT_LOCK: Final = frozenset({f"{STATUS}=error", "ConversationErrorEvent"})
"""What the handler of an error emits."""

Held = Sequence[tuple[int, str]]
"""Statuses, each with the index of the label from which on it was true; the first has -1."""


@dataclass(frozen=True)
class Order:
    """The labels of one conversation, from its beginning, on the server of a release."""

    labels: tuple[Label, ...]
    profile: Profile

    def at(self, *whats: str) -> Iterator[tuple[int, Label]]:
        return ((at, label) for at, label in enumerate(self.labels) if label.what in whats)

    @cached_property
    def appended(self) -> list[int]:
        """The index of the label at which each event of the log was appended."""
        return [at for at, _ in self.at("persisted")]

    @cached_property
    def log(self) -> list[str]:
        return [self.labels[at].of for at in self.appended]

    @cached_property
    def live_statuses(self) -> Held:
        return [(-1, "idle"), *((at, label.of) for at, label in self.at("status"))]

    @cached_property
    def told_statuses(self) -> Held:
        """Statuses as they can be seen under the state lock, which is held until a status has been
        appended too."""
        told = {-1: -1}
        for at, _ in self.live_statuses[1:]:
            position = self.appended_before(at)
            known = position < len(self.appended) and tells_status(
                self.labels[self.appended[position]]
            )
            told[at] = self.appended[position] if known else at
        return [(told[at], status) for at, status in self.live_statuses]

    @cached_property
    def readable_statuses(self) -> Held:
        """Statuses as REST can show them. If no label says when a status was saved, they begin at
        the earliest possible time, which is the assignment."""
        saved = [(at, label.of) for at, label in self.at("status-readable")]
        return [(-1, "idle"), *saved] if saved else self.live_statuses

    @cached_property
    def tells_runs(self) -> bool:
        """Whether the milestones of runs are among the labels."""
        return any(True for _ in self.at("run-accepted"))

    @cached_property
    def subscribed(self) -> dict[int, int]:
        """The index at which each connection was subscribed."""
        return {label.connection: at for at, label in self.at("subscribed")}

    @cached_property
    def events(self) -> dict[int, list[int]]:
        """The indices of each connection's frames, except full states."""
        return self._frames(snapshots=False)

    @cached_property
    def snapshots(self) -> dict[int, list[int]]:
        """The indices of each connection's full states."""
        return self._frames(snapshots=True)

    @cached_property
    def positions(self) -> dict[int, int]:
        """The position in the log of each frame's event, for connections whose frames fit it."""
        found: dict[int, int] = {}
        for connection, frames in self.events.items():
            places = self._places(connection, frames)
            if places is not None:
                found.update(zip(frames, places, strict=True))
        return found

    def appended_before(self, at: int) -> int:
        """Return how many events were appended before a label."""
        return bisect_left(self.appended, at)

    def told_after(self, at: int) -> int:
        """Return how many events come before a label, including that of a status which has been
        assigned and is about to be appended."""
        count = self.appended_before(at)
        assigned = sum(place <= at for place, _ in self.live_statuses[1:])
        told = sum(tells_status(self.labels[place]) for place in self.appended[:count])
        return count + (told < assigned)

    def earliest(self, position: int) -> int:
        """Return the append after which every frame of the event at that position must come: its
        own, or, if publications are scheduled before appends, the one before."""
        if self.profile.publish_before_persist:
            without_lock = self._told_without_lock(position)
            position -= 1
            while position >= 0 and self._told_without_lock(position) != without_lock:
                position -= 1  # Another thread appends this at the same time.
        if position < 0:
            return -1
        return self.appended[position] if position < len(self.appended) else len(self.labels)

    def _told_without_lock(self, position: int) -> bool:
        """Whether the event comes from the handler of an error, which up to 1.22 does not hold the
        state lock, so that statistics may come in between (local_conversation.py, `run`)."""
        return (
            not self.profile.runs_on_loop
            and position < len(self.log)
            and self.log[position] in _WITHOUT_LOCK
        )

    def held(self, statuses: Held, since: int, until: int) -> set[str]:
        """Return the statuses that were true at some time between two labels."""
        ended = [*(at for at, _ in statuses[1:]), len(self.labels)]
        return {
            status
            for (began, status), end in zip(statuses, ended, strict=True)
            if began < until and end > since
        }

    def _frames(self, *, snapshots: bool) -> dict[int, list[int]]:
        found: dict[int, list[int]] = defaultdict(list)
        for at, label in self.at("frame"):
            if label.of == STREAMED:
                continue
            if label.of.startswith(f"{FULL_STATE}=") == snapshots:
                found[label.connection].append(at)
        return dict(found)

    def _places(self, connection: int, frames: Sequence[int]) -> list[int] | None:
        """Return the positions in the log of a connection's frames. These begin at the latest with
        the first event whose publication was not scheduled when the connection subscribed."""
        names = [self.labels[at].of for at in frames]
        known = self.appended_before(self.subscribed.get(connection, -1))
        latest = min(known + self.profile.publish_before_persist, len(self.log))
        fitting = [self._fit(first, names) for first in range(latest + 1)]

        def too_early(places: list[int]) -> int:
            return sum(at < self.earliest(place) for at, place in zip(frames, places, strict=True))

        # Equal names can fit at several places; usually little is pending at a subscription.
        fits = (places for places in reversed(fitting) if places is not None)
        return min(fits, key=too_early, default=None)

    def _fit(self, first: int, names: Sequence[str]) -> list[int] | None:
        """Return the positions of these frames in the log from `first` on; the last ones may be
        ahead of the log. None if they do not fit."""
        left = deque(range(first, len(self.log)))
        ahead = len(self.log)
        places = []
        for name in names:
            passed = 0
            while passed < len(left) and self._may_overtake(name, self.log[left[passed]]):
                passed += 1
            if passed == len(left):
                places.append(ahead)
                ahead += 1
            elif self.log[left[passed]] == name:
                places.append(left[passed])
                del left[passed]
            else:
                return None
        return places

    def _may_overtake(self, frame: str, appended: str) -> bool:
        """Whether a frame may be sent before that of an event which is appended first: if both are
        scheduled before their appends, by two threads without a common lock."""
        both = {frame, appended}
        return (
            self.profile.publish_before_persist
            and not self.profile.runs_on_loop
            and STATISTICS in both
            and not both.isdisjoint(_WITHOUT_LOCK)
        )


def tells_status(label: Label) -> bool:
    """Whether an event or its frame is a change of the status."""
    return label.of.startswith(f"{STATUS}=")


def value(label: Label) -> str:
    """Return the status in an event, a frame or an answer."""
    return label.of.rpartition(" ")[2].rpartition("=")[2]


def changes(statuses: Held) -> Iterator[tuple[int, str, str]]:
    """Yield each change of status: its index, the old and the new status."""
    for (_, before), (at, after) in pairwise(statuses):
        yield at, before, after
