"""The bisect: its ends first, then what is between, until the border is found. Pure but for what
its judge does."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from race_harness.bisect.judged import Judged, Judgement, Point
from race_harness.bisect.search import Search, Side

Kind = Literal["first-bad", "first-good"]

Ending = Literal["found", "left", "no-change", "no-difference", "reversed", "unclear-end"]
"""How a bisect ends.

found         the border is between two neighbours
left          between the two are only clients that cannot tell
no-change     both ends are judged alike
no-difference the ends were measured, and their numbers do not differ clearly
reversed      the ends are judged the other way round
unclear-end   one of the ends cannot tell
"""

_BEFORE: Final[dict[Kind, Judgement]] = {"first-bad": "good", "first-good": "bad"}


@dataclass
class Bisected:
    """What was found, and all that was judged on the way."""

    kind: Kind
    points: Sequence[Point]
    """The range, older ones first."""
    ending: Ending = "unclear-end"
    before: int = 0
    """Position of the last that is known to be before the change."""
    after: int = 0
    """Of the first known to be after it; equal to `before` + 1 where it was found."""
    says: str = ""
    """Of ends that do not differ: what was measured."""
    judged: dict[int, Judged] = field(default_factory=dict)
    """By position, in the order in which they were judged."""

    @property
    def boundary(self) -> tuple[Point, Point] | None:
        """The two between which it changed; None where the ends do not differ as they should."""
        if self.ending not in ("found", "left"):
            return None
        return self.points[self.before], self.points[self.after]

    @property
    def between(self) -> list[Point]:
        """Those of the range that is left, which cannot tell."""
        return list(self.points[self.before + 1 : self.after]) if self.boundary else []


@dataclass(frozen=True)
class BisectObserver:
    """Hears what goes on."""

    on_judging: Callable[[Point, list[Point]], None] = lambda _point, _likely: None
    """Before a client is judged: it, and those that are likely to be next."""
    on_judged: Callable[[Point, Judged], None] = lambda _point, _judged: None


def bisect(
    points: Sequence[Point],
    judge: Callable[[Point], Judged],
    kind: Kind = "first-bad",
    *,
    preferred: Collection[int] = (),
    observer: BisectObserver | None = None,
) -> Bisected:
    """Find where the judgement changes from `good` to `bad`, or for `first-good` back.

    `points` are ordered, and `preferred` are the positions where the change is expected
    (`bisect.search`). What the judge raises ends it.

    Raises:
        ValueError: there are fewer than two points.
    """
    search = Search(len(points), preferred)
    outcome = Bisected(kind, points, after=len(points) - 1)
    observer = observer or BisectObserver()

    def side(position: int, likely: list[int]) -> Side:
        point = points[position]
        observer.on_judging(point, [points[each] for each in likely])
        judged = judge(point)
        outcome.judged[position] = judged
        observer.on_judged(point, judged)
        if judged.judgement == "unclear":
            return "unclear"
        return "before" if judged.judgement == _BEFORE[kind] else "after"

    first = search.next()
    middle = [first] if first is not None else []
    ends = side(0, [outcome.after, *middle]), side(outcome.after, middle)
    if ends == ("before", "after"):
        while (position := search.next()) is not None:
            search.tell(position, side(position, search.likely(position)))
        outcome.before, outcome.after = search.before, search.after
        outcome.ending = "left" if outcome.after - outcome.before > 1 else "found"
    elif ends == ("after", "before"):
        outcome.ending = "reversed"
    elif "unclear" not in ends:
        outcome.ending = "no-change"
    return outcome
