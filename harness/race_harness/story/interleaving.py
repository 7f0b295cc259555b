"""Where one thread of a test got between two lines of another that belong together.

Two lines of one function, on the way through it, that name the same thing, and a line of another
thread between them that names it, too: that is no error in itself. It is told where no order
without an interruption would do the same, which hangs on the lines that store it (Lu et al.,
"AVIO: Detecting Atomicity Violations via Access Interleaving Invariants", ASPLOS 2006).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from race_harness.model.failure import Failure
from race_harness.story.lanes import short, thread_of
from race_harness.story.names import clock

_MOST: Final = 2
"""Of a failure that are told, the last ones."""

_INTERRUPTED: Final = {
    # Stores before, between and after.
    (False, True, False),
    (True, True, False),
    (False, True, True),
    (True, False, True),
}

Happening = dict[str, Any]


@dataclass(frozen=True)
class Meeting:
    """Positions of three lines in the happenings."""

    name: str
    """What all of them name, such as an attribute."""
    before: int
    between: int
    after: int

    @property
    def places(self) -> tuple[int, int, int]:
        return self.before, self.between, self.after


def meetings(failure: Failure) -> list[Meeting]:
    """The last ones before the trial's end, in their order."""
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
                # In a loop the same comes again: the last time stands for all.
                found.pop((name, *lines), None)
                found[name, *lines] = Meeting(name, before, between[-1], position)
            last[place] = position
            touched.setdefault(name, []).append(position)
    return list(found.values())[-_MOST:]


def _stores(happenings: Sequence[Happening], name: str, *positions: int) -> tuple[bool, ...]:
    return tuple(name in happenings[position].get("stores", ()) for position in positions)


def sentence_of(meeting: Meeting, happenings: Sequence[Happening]) -> str:
    """Who ran what, and who got between."""
    before, between, after = (happenings[place] for place in meeting.places)
    one, other = (short(str(thread_of(happening))) for happening in (before, between))
    return (
        f"{one} ran {_ran(before)}, then {other} ran {_ran(between)}, and only then {one} went on "
        f"to {_ran(after)}: {other} got between two lines of {before.get('function')}, and all "
        f"three are about `{meeting.name}`."
    )


def _ran(happening: Happening) -> str:
    return f"`{happening.get('line')}` ({clock(float(happening['at_ms']))} ms)"
