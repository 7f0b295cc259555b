"""Which position of a sequence to try next, until there is nothing left to try. Pure."""

from collections.abc import Collection
from typing import Literal

Side = Literal["before", "after", "unclear"]


class Search:
    """Bisection of the positions 0 to `count - 1`, of which the first is known to be before the
    change and the last after it.

    Positions that cannot tell are skipped, as by `git bisect skip`: with each of them the next try
    moves twice as far from the middle, since they come in groups.

    The change is expected at the `preferred` positions. These are tried first, and others only as
    far as needed to be sure: a change at an expected position costs one more try, of the position
    just before it.
    """

    def __init__(self, count: int, preferred: Collection[int] = ()) -> None:
        if count < 2:
            raise ValueError("a range has two ends")
        self.before = 0
        """The last position that is known to be before the change."""
        self.after = count - 1
        """The first position that is known to be after it."""
        self._unclear: set[int] = set()
        self._preferred = frozenset(preferred)

    def next(self) -> int | None:
        """The position to try; None: no position between the two is left that could tell."""
        return self._next(self.before, self.after)

    def tell(self, position: int, side: Side) -> None:
        """Take the result of a try."""
        if not self.before < position < self.after:
            raise ValueError(f"position {position} is not in question")
        if side == "before":
            self.before = position
        elif side == "after":
            self.after = position
        else:
            self._unclear.add(position)

    def likely(self, position: int) -> list[int]:
        """The positions that may be tried after this one, whose answer is still to come."""
        after = [self._next(position, self.after)]
        before = [self._next(self.before, position)]
        return [each for each in after + before if each is not None]

    def _next(self, before: int, after: int) -> int | None:
        untried = [each for each in range(before + 1, after) if each not in self._unclear]
        expected = [each for each in untried if each in self._preferred]
        if untried and not expected and after in self._preferred:
            # The change is where it was expected if the position just before is on the other side.
            return untried[-1]
        return _near_middle(before, after, expected or untried, self._unclear)


def _near_middle(
    before: int, after: int, untried: list[int], unclear: Collection[int]
) -> int | None:
    if not untried:
        return None
    middle, quarter = (before + after) // 2, (after - before) // 4
    met = sum(abs(each - middle) <= quarter for each in unclear if before < each < after)
    away = min(2 ** (met - 1), quarter) if met else 0
    far_enough = [each for each in untried if abs(each - middle) >= away]
    return min(far_enough or untried, key=lambda each: (abs(each - middle), each))
