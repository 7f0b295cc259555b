"""How far a soak has come: bars on a terminal, and in a log a line now and then."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Column

from race_harness.cli.console import CampaignProgress, errors
from race_harness.model.verdict import TrialResult
from race_harness.soak.plan import Plan
from race_harness.store.series import Key

FEW: Final = 8
"""Up to this many series have a bar each; with more, each client has one."""

LINE_EVERY_S: Final = 60
REDRAW_EVERY_S: Final = 0.2


class SoakProgress:
    """Counts trials and failures, and says so now and then.

    `done` are the trials that each series has already; `seconds` is the wall time that the soak
    may take, None for as long as it needs. `clock` gives wall seconds.
    """

    def __init__(
        self,
        progress: Progress,
        plan: Plan,
        done: Mapping[Key, int],
        *,
        seconds: float | None,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress = progress
        self._say = say
        self._clock = clock
        self._began = self._drawn = self._said = clock()
        self._seconds = seconds
        self._there = sum(done.values())
        self._trials = 0
        self._series = len(plan.keys)
        self._is_tested = plan.test is not None
        each = sum(len(plan.numbers(batch)) for batch in plan.batches()) if plan.reps else None
        self._total = each and each * len(plan.keys)
        self._bars: dict[Key, TaskID] = {}
        self._new: Counter[TaskID] = Counter()
        self._failed: Counter[TaskID] = Counter()
        labels: dict[str, TaskID] = {}
        for key in plan.keys:
            label = f"{plan.clients[key.position].resolved_version:>10}"
            if len(plan.keys) <= FEW:
                label += f" {key.scenario}"
            if label not in labels:
                labels[label] = progress.add_task(label, total=0 if each else None, told="")
            bar = self._bars[key] = labels[label]
            if each:
                progress.update(bar, total=(progress.tasks[bar].total or 0) + each)
            progress.advance(bar, done.get(key, 0))
        self._all = progress.add_task(f"{'all':>10}", total=seconds or self._total, told="")

    def result(self, key: Key, result: TrialResult) -> None:
        """A trial of this series has ended."""
        self._trials += 1
        self._new[self._bars[key]] += 1
        self._failed[self._bars[key]] += result.void is None and not result.passed

    def tell(self, decided: int) -> None:
        """Redraw, or print a line, if it is time; `decided` series are decided."""
        now = self._clock()
        if self._progress.disable:
            if now - self._said >= LINE_EVERY_S:
                self._said = now
                self._say(self.line(decided))
        elif now - self._drawn >= REDRAW_EVERY_S:
            self._drawn = now
            self._redraw(decided)

    def end(self, decided: int) -> None:
        """Leave the bars as they are at the end."""
        self._redraw(decided)

    def line(self, decided: int) -> str:
        """Such as `12345 trials, 210 /s, 3 failed, 5 of 42 series decided, 1:02:03 left`."""
        elapsed = self._clock() - self._began
        speed = self._trials / elapsed if elapsed > 0 else 0.0
        trials = f"{self._there + self._trials}"
        if self._total is not None:
            trials += f" of {self._total}"
        words = [f"{trials} trials", f"{speed:.0f} /s", f"{self._failed.total()} failed"]
        if self._is_tested:
            words.append(f"{decided} of {self._series} series decided")
        if (left := self._left(elapsed, speed)) is not None:
            words.append(f"{timedelta(seconds=round(left))} left")
        return ", ".join(words)

    def _left(self, elapsed: float, speed: float) -> float | None:
        """Wall seconds that are left; None if that is unknown."""
        if self._seconds is not None:
            return max(0.0, self._seconds - elapsed)
        if self._total is None or not speed or self._is_tested:
            return None
        return max(0.0, (self._total - self._there - self._trials) / speed)

    def _redraw(self, decided: int) -> None:
        for bar, trials in self._new.items():
            failed = self._failed[bar]
            told = f"{failed} failed" if failed else ""
            self._progress.update(bar, advance=trials, told=told)
        self._new.clear()
        done = self._clock() - self._began if self._seconds else self._there + self._trials
        self._progress.update(self._all, completed=done, told=self.line(decided))


def columns() -> tuple[ProgressColumn, ...]:
    return (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TextColumn("{task.completed:.0f}"),
        # On a narrow terminal these words wrap, so that nothing is cut.
        TextColumn("{task.fields[told]}", markup=False, table_column=Column()),
        TimeElapsedColumn(),
    )


@contextmanager
def soak_bars() -> Iterator[tuple[Progress, CampaignProgress]]:
    """Bars on a terminal, and none anywhere else."""
    with Progress(*columns(), console=errors, disable=not errors.is_terminal) as progress:
        yield progress, CampaignProgress(progress)
