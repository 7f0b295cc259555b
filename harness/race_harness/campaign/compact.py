"""Results of a million trials, in little memory."""

from array import array
from collections.abc import Iterable, Sequence
from typing import overload

from race_harness.model.outcome import Void
from race_harness.model.verdict import TrialResult


class CompactResults(Sequence[TrialResult]):
    """Results in the order of their indices, from `start` on, without what they say about single
    events (`concerned`). Each takes about a hundred bytes.
    """

    def __init__(self, results: Iterable[TrialResult] = (), *, start: int = 0) -> None:
        self._start = start
        self._verdicts: list[tuple[str, ...]] = []
        self._digests: list[str] = []
        self._virtual_s, self._wall_ms = array("d"), array("d")
        self._rest: dict[int, tuple[Void | None, int]] = {}
        """What few results have: why they are void, and how much of them is undone."""
        self._known: dict[tuple[str, ...], tuple[str, ...]] = {}
        for result in results:
            self.add(result)

    def add(self, result: TrialResult) -> None:
        """Keep a result in its place; earlier ones may come later."""
        place = result.index - self._start
        while len(self._digests) <= place:
            self._verdicts.append(())
            self._digests.append("")
            self._virtual_s.append(0.0)
            self._wall_ms.append(0.0)
        self._verdicts[place] = self._known.setdefault(result.verdicts, result.verdicts)
        self._digests[place] = result.digest
        self._virtual_s[place] = result.virtual_s
        self._wall_ms[place] = result.wall_ms
        if result.void is not None or result.undone:
            self._rest[place] = result.void, result.undone

    def __len__(self) -> int:
        return len(self._digests)

    @overload
    def __getitem__(self, place: int) -> TrialResult: ...

    @overload
    def __getitem__(self, place: slice) -> list[TrialResult]: ...

    def __getitem__(self, place: int | slice) -> TrialResult | list[TrialResult]:
        number = range(len(self))[place]
        if isinstance(number, range):
            return [self[one] for one in number]
        void, undone = self._rest.get(number, (None, 0))
        return TrialResult(
            self._start + number,
            self._verdicts[number],
            self._digests[number],
            self._virtual_s[number],
            self._wall_ms[number],
            void,
            undone,
        )
