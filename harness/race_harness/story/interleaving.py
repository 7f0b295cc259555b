"""Where one thread of a test got between two lines of another that belong together.

In one pass through a function, two lines name the same thing, and between them another thread runs
a line that names it, too. That is no error in itself. The story shows it only where no order
without an interruption would have the same effect; this depends on which of the lines store the
thing (Lu et al., "AVIO: Detecting Atomicity Violations via Access Interleaving Invariants", ASPLOS
2006).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from race_harness.model.failure import Failure
from race_harness.story.lanes import short, thread_of
from race_harness.story.names import clock

_MOST: Final = 2
"""How many of a failure's meetings are shown, from the last."""

_INTERRUPTED: Final = {
    # Whether the lines before, between and after store it.
    (False, True, False),
    (True, True, False),
    (False, True, True),
    (True, False, True),
}

Happening = dict[str, Any]


@dataclass(frozen=True)
class Meeting:
    """The positions in the happenings of three lines that meet."""

    name: str
    """The thing that all of them name, such as an attribute."""
    before: int
    between: int
    after: int

    @property
    def places(self) -> tuple[int, int, int]:
        return self.before, self.between, self.after

    def encloses(self, other: "Meeting") -> bool:
        return self.name == other.name and self.before < other.before and other.after < self.after


def meetings(failure: Failure) -> list[Meeting]:
    """The last meetings before the trial's end, in their order.

    Not those that enclose another one about the same thing, since the inner one explains more: a
    test that sets a counter, starts threads and checks the counter also meets them.
    """
    happenings = failure.happenings
    last: dict[tuple[object, ...], int] = {}
    touched: dict[str, list[int]] = {}
    found: dict[tuple[object, ...], Meeting] = {}
    for position, happening in enumerate(happenings):
        if happening["what"] != "line":
            continue
        thread = thread_of(happening)
        for name in happening.get("names", ()):
            place = thread, happening.get("function"), happening.get("round"), name
            before = last.get(place)
            between = [
                other
                for other in touched.get(name, ())
                if before is not None
                and other > before
                and thread_of(happenings[other]) != thread
                and _stores(happenings, name, before, other, position) in _INTERRUPTED
            ]
            if before is not None and between:
                lines = tuple(
                    happenings[one].get("line") for one in (before, between[-1], position)
                )
                # A loop repeats the same meeting: keep its last time only.
                found.pop((name, *lines), None)
                found[name, *lines] = Meeting(name, before, between[-1], position)
            last[place] = position
            touched.setdefault(name, []).append(position)
    every = list(found.values())
    return [one for one in every if not any(map(one.encloses, every))][-_MOST:]


def _stores(happenings: Sequence[Happening], name: str, *positions: int) -> tuple[bool, ...]:
    return tuple(name in happenings[position].get("stores", ()) for position in positions)


def sentence_of(meeting: Meeting, happenings: Sequence[Happening]) -> str:
    """A sentence that says which threads ran what, and which got between."""
    before, between, after = (happenings[place] for place in meeting.places)
    one, other = (short(str(thread_of(happening))) for happening in (before, between))
    return (
        f"{one} ran {_ran(before)}, then {other} ran {_ran(between)}, and only then {one} went on "
        f"to {_ran(after)}: {other} got between two lines of {before.get('function')}, and all "
        f"three are about `{meeting.name}`."
    )


def _ran(happening: Happening) -> str:
    return f"`{happening.get('line')}` ({clock(float(happening['at_ms']))} ms)"
