"""What the record knows of scenarios on releases already."""

from collections import Counter

from race_harness.atlas.cells import HEAD, Cell
from race_harness.model.outcome import Void
from race_harness.model.verdict import ORDER
from race_harness.store.store import Store


def known_cells(store: Store, *, fingerprint: str, seed: int, reps: int) -> list[Cell]:
    """The cells of which the record has the first `reps` trials of a seed, or HEAD that hang.

    In the simulation on the fake server, run by the harness with this fingerprint; there each
    would come out the same again.
    """
    cells = []
    found = store.execute(
        "SELECT series.id, resolved_version, scenario FROM series "
        "JOIN campaigns ON campaigns.id = campaign "
        "JOIN environments ON environments.id = environment "
        "WHERE (drawn, world, server, seed, fingerprint) = (1, 'sim', 'fake', ?, ?) "
        "AND client = resolved_version",
        (seed, fingerprint),
    )
    for series, release, scenario in found:
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
    for verdicts, kind, why, trials in store.execute(
        "SELECT verdicts, void_kind, void, count(*) FROM trials WHERE series = ? AND number < ? "
        "GROUP BY verdicts, void_kind, void",
        (series, reps),
    ):
        total += trials
        passed += trials * (verdicts == "ok")
        if why is not None:
            void, reason = void + trials, Void(kind, why).says
        counts.update(dict.fromkeys(verdicts.split(), trials))
    return Cell(
        release=release,
        scenario=scenario,
        reps=total,
        passed=passed,
        void=void,
        verdicts={verdict: counts[verdict] for verdict in sorted(counts, key=ORDER.index)},
        skipped=f"every trial was void: {reason}" if total and void == total else None,
    )
