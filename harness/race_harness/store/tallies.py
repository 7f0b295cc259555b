"""SQLite counts and measures the trials of several series, so none is kept in memory."""

from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

from race_harness.model.outcome import Void
from race_harness.store.schema import PASSED
from race_harness.store.store import Store


class Group(NamedTuple):
    """Trials with the same verdicts, or void for the same reason."""

    verdicts: tuple[str, ...]
    void: Void | None
    trials: int


def groups_of_trials(store: Store, series: int, reps: int) -> Iterator[Group]:
    """The first `reps` trials of a series, grouped by their results."""
    rows = store.execute(
        "SELECT verdicts, void_kind, void, count(*) FROM trials WHERE series = ? AND number < ? "
        "GROUP BY verdicts, void_kind, void",
        (series, reps),
    )
    for verdicts, kind, reason, trials in rows:
        void = None if kind is None else Void(kind, reason)
        yield Group(tuple(verdicts.split()), void, trials)


def series_of_releases(
    store: Store, seed: int, fingerprint: str
) -> Iterator[tuple[int, str, str]]:
    """Drawn series of a seed whose clients are releases, in the simulation on the fake server, by
    the harness with this fingerprint: id, release and scenario."""
    return iter(
        store.execute(
            "SELECT series.id, resolved_version, scenario FROM series "
            "JOIN campaigns ON campaigns.id = campaign "
            "JOIN environments ON environments.id = environment "
            "WHERE (drawn, world, server, seed, fingerprint) = (1, 'sim', 'fake', ?, ?) "
            "AND client = resolved_version",
            (seed, fingerprint),
        )
    )


def verdicts_of(store: Store, series: Sequence[int]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Verdicts, and how many trials have them; void trials are left out."""
    rows = store.execute(
        f"SELECT verdicts, count(*) FROM trials WHERE series IN {_list(series)} AND void IS NULL "
        "GROUP BY verdicts"
    )
    return ((tuple(several.split()), count) for several, count in rows)


def undone_in(store: Store, series: Sequence[int]) -> int:
    """In how many trials some run or act of the schedule did not happen."""
    (count,) = store.execute(
        f"SELECT count(*) FROM trials WHERE series IN {_list(series)} AND undone AND void IS NULL"
    ).fetchone()
    return int(count)


def trials_of(store: Store, series: Sequence[int]) -> int:
    """How many trials there are, void ones included."""
    (count,) = store.execute(
        f"SELECT count(*) FROM trials WHERE series IN {_list(series)}"
    ).fetchone()
    return int(count)


def in_order(
    store: Store, column: Literal["wall_ms", "virtual_s"], series: Sequence[int]
) -> Iterator[float]:
    """Times of trials, the shortest first: wall milliseconds of all trials; seconds of `run()` of
    those that are not void."""
    reached = "AND void IS NULL" if column == "virtual_s" else ""
    rows = store.execute(
        f"SELECT {column} FROM trials WHERE series IN {_list(series)} {reached} ORDER BY {column}"
    )
    return (value for (value,) in rows)


def side_by_side(store: Store, one: int, other: int) -> dict[tuple[bool, bool], int]:
    """How many trials of equal numbers have a verdict in both series, by whether they passed in
    the one and in the other."""
    rows = store.execute(
        f"SELECT a.verdicts IN {PASSED}, b.verdicts IN {PASSED}, count(*) "
        "FROM trials AS a JOIN trials AS b USING (number) "
        "WHERE (a.series, b.series) = (?, ?) AND a.void IS NULL AND b.void IS NULL "
        "GROUP BY 1, 2",
        (one, other),
    )
    return {(bool(passed), bool(also)): count for passed, also, count in rows}


def first_failure(store: Store, series: Sequence[int]) -> str | None:
    """The path of the first kept failure."""
    row = store.execute(
        f"SELECT path FROM failures WHERE series IN {_list(series)} "
        "ORDER BY series, number LIMIT 1"
    ).fetchone()
    return None if row is None else row[0]


def servers_of(store: Store, series: Sequence[int]) -> list[str]:
    """The kinds of server of several series, each once, in the order of the clients."""
    rows = store.execute(
        f"SELECT server FROM series WHERE id IN {_list(series)} ORDER BY position, id"
    )
    return [*dict.fromkeys(kind for (kind,) in rows)]


def _list(series: Sequence[int]) -> str:
    return f"({', '.join(map(str, series))})"
