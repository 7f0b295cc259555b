"""The bisect: it judges the ends, then clients between them, until it finds the border. Pure,
except for its judge."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from race_harness.bisect.judged import Judged, Judgement, Point
from race_harness.bisect.search import Search, Side

Kind = Literal["first-bad", "first-good"]

Ending = Literal["found", "left", "no-change", "no-difference", "reversed", "unclear-end"]
"""How a bisect ends.

found         the border is between two neighbours
left          only clients that cannot tell are left between the two
no-change     both ends are judged alike
no-difference the ends were measured, and their numbers do not differ clearly
reversed      the judgements of the ends are the other way round
unclear-end   one of the ends cannot tell
"""

_BEFORE: Final[dict[Kind, Judgement]] = {"first-bad": "good", "first-good": "bad"}


@dataclass
class Bisected:
    """The result, and all judgements on the way."""

    kind: Kind
    points: Sequence[Point]
    """The range, older ones first."""
    ending: Ending = "unclear-end"
    before: int = 0
    """Position of the last point known to be before the change."""
    after: int = 0
    """Position of the first point known to be after it; `before` + 1 if the border was found."""
    says: str = ""
    """For ends that do not differ: what was measured, in words."""
    judged: dict[int, Judged] = field(default_factory=dict)
    """The judgements by position, in the order in which they were made."""

    @property
    def boundary(self) -> tuple[Point, Point] | None:
        """The two points between which it changed; None if the ends do not differ as asked."""
        if self.ending not in ("found", "left"):
            return None
        return self.points[self.before], self.points[self.after]

    @property
    def between(self) -> list[Point]:
        """The points between the two: they cannot tell."""
        return list(self.points[self.before + 1 : self.after]) if self.boundary else []


@dataclass(frozen=True)
class BisectObserver:
    """Follows a bisect."""

    on_judging: Callable[[Point, list[Point]], None] = lambda _point, _likely: None
    """Called before a client is judged, with it and those that are likely to be next."""
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
    (`bisect.search`). An error of the judge ends the search.

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
