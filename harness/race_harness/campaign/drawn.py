"""The schedules of a campaign, drawn while its trials run: there may be any number of them."""

import copy
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from itertools import count, groupby
from typing import Final, overload

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule
from race_harness.search.draw import BATCH, draw_batch

_KEPT: Final = 100
"""Batches in memory, some 20 MB: what was drawn for the first client is there for the next ones.
Of a longer campaign they are drawn again, which takes half a millisecond each."""


class DrawnSchedules(Sequence[Schedule]):
    """The first `reps` schedules that a scenario has with a seed, always the same ones.

    Going through them draws ahead, on a thread of its own. Slices are of consecutive ones.
    """

    def __init__(self, scenario: Scenario, seed: int, reps: int) -> None:
        self._batches = _Batches(scenario, seed, reps)
        self._numbers = range(reps)

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, place: int) -> Schedule: ...

    @overload
    def __getitem__(self, place: slice) -> "DrawnSchedules": ...

    def __getitem__(self, place: int | slice) -> "Schedule | DrawnSchedules":
        if isinstance(place, slice):
            assert place.step in (None, 1)
            some = copy.copy(self)
            some._numbers = self._numbers[place]
            return some
        number = self._numbers[place]
        return self._batches.get(number // BATCH)[number % BATCH]

    def __iter__(self) -> Iterator[Schedule]:
        if not self._numbers:
            return
        last = self._numbers[-1] // BATCH
        drawing = _OneBatch(self._batches.get, self._numbers[0] // BATCH)
        try:
            for batch, numbers in groupby(self._numbers, lambda number: number // BATCH):
                drawn = drawing.result()
                if batch < last:
                    drawing = _OneBatch(self._batches.get, batch + 1)
                for number in numbers:
                    yield drawn[number % BATCH]
        finally:
            drawing.join()


def drawn_ahead(get: Callable[[int], list[Schedule]]) -> Generator[Schedule]:
    """The schedules of the batches that `get` gives for 0, 1, ... until one is empty. A thread of
    its own draws each batch while earlier ones are in use."""
    drawing = _OneBatch(get, 0)
    try:
        for batch in count(1):
            drawn = drawing.result()
            if not drawn:
                return
            drawing = _OneBatch(get, batch)
            yield from drawn
    finally:
        drawing.join()


class _Batches:
    """Batches by their number; it keeps the latest."""

    def __init__(self, scenario: Scenario, seed: int, reps: int) -> None:
        self._scenario, self._seed, self._reps = scenario, seed, reps
        self._kept: dict[int, list[Schedule]] = {}
        self._drawing = threading.Lock()

    def get(self, number: int) -> list[Schedule]:
        with self._drawing:
            if number not in self._kept:
                size = min(BATCH, self._reps - number * BATCH)
                while len(self._kept) >= _KEPT:
                    del self._kept[next(iter(self._kept))]
                self._kept[number] = draw_batch(self._scenario, self._seed, number, size)
            return self._kept[number]


class _OneBatch(threading.Thread):
    """Draws one batch.

    Meanwhile the main thread waits, or serves the workers, and runs no code of Hypothesis, which
    could swallow an interrupt.
    """

    def __init__(self, get: Callable[[int], list[Schedule]], number: int) -> None:
        # A user's own strategy may never end; as a daemon it does not keep the process alive.
        super().__init__(name="drawing", daemon=True)
        self._get, self._number = get, number
        self._drawn: list[Schedule] = []
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._drawn = self._get(self._number)
        except BaseException as error:
            self._error = error

    def result(self) -> list[Schedule]:
        """The batch; raises what drawing it raised."""
        self.join()
        if self._error is not None:
            raise self._error
        return self._drawn
