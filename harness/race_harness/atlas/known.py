"""What the record already knows about scenarios on releases."""

from collections import Counter

from race_harness.atlas.cells import HEAD, Cell
from race_harness.model.verdict import ORDER, passes
from race_harness.store.store import Store
from race_harness.store.tallies import groups_of_trials, series_of_releases


def known_cells(store: Store, *, fingerprint: str, seed: int, reps: int) -> list[Cell]:
    """The cells of which the record has the first `reps` trials of a seed, or HEAD that hang.

    In the simulation on the fake server, run by the harness with this fingerprint; there each
    would come out the same again.
    """
    cells = []
    for series, release, scenario in series_of_releases(store, seed, fingerprint):
        cell = recorded_cell(store, series, release, scenario, reps)
        if cell.reps == reps or cell.hangs:
            cells.append(cell)
    return cells


def recorded_cell(store: Store, series: int, release: str, scenario: str, reps: int) -> Cell:
    """What the first `reps` trials of a series came to, or the first HEAD if those hang; there
    may be fewer of them."""
    head = _counted(store, series, release, scenario, min(HEAD, reps))
    return head if head.hangs else _counted(store, series, release, scenario, reps)


def _counted(store: Store, series: int, release: str, scenario: str, reps: int) -> Cell:
    counts: Counter[str] = Counter()
    total = passed = void = 0
    reason = None
    for group in groups_of_trials(store, series, reps):
        total += group.trials
        passed += group.trials * (passes(group.verdicts))
        if group.void is not None:
            void, reason = void + group.trials, group.void.says
        counts.update(dict.fromkeys(group.verdicts, group.trials))
    return Cell(
        release=release,
        scenario=scenario,
        reps=total,
        passed=passed,
        void=void,
        verdicts={verdict: counts[verdict] for verdict in sorted(counts, key=ORDER.index)},
        skipped=f"every trial was void: {reason}" if total and void == total else None,
    )
