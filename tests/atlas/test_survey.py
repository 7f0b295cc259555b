"""The survey: what is known is not run, what breaks says so."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from race_harness.atlas import survey as module
from race_harness.atlas.cells import HEAD, Cell
from race_harness.atlas.known import known_cells
from race_harness.atlas.survey import Survey, releases_between
from race_harness.campaign.resolve import ClientUnderTest
from race_harness.model.errors import ClientUnavailable, OutOfReach, UsageError, WorldBroken
from race_harness.model.fingerprint import fingerprint
from race_harness.model.verdict import TrialResult
from race_harness.search import library
from race_harness.search.draw import draw_schedules
from race_harness.store.store import Store

REPS = 4


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "record.db") as opened:
        yield opened


class Builder:
    """Stands in for the one in the background."""

    wanted: ClassVar[list[str]] = []

    def __enter__(self) -> "Builder":
        return self

    def __exit__(self, *_exception: object) -> None:
        pass

    def want(self, clients: list[str]) -> None:
        Builder.wanted = clients


@pytest.fixture(autouse=True)
def _releases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Releases that need no index: the reference client, right or hasty; none; one that dies."""

    def found(argument: str, _progress: object) -> ClientUnderTest:
        if argument == "2.0":
            raise ClientUnavailable("2.0 cannot be resolved")
        if argument == "9.9":
            raise OutOfReach("the index does not answer")
        adapter = {"1.0": "reference:eager", "1.1": "reference", "3.0": "reference:nobody"}
        return ClientUnderTest(argument, argument, Path(sys.executable), adapter[argument])

    monkeypatch.setattr(module, "find_client", found)
    monkeypatch.setattr(module, "Ahead", Builder)


def surveyed(
    store: Store,
    *releases: str,
    known: tuple[Cell, ...] = (),
    reps: int = REPS,
    own: tuple[str, ...] = (),
) -> list[Cell]:
    schedules = {
        name: list(draw_schedules(library.load(name), 0, reps))
        for name in ("clean", "final-events")
    }
    survey = Survey(
        schedules,
        store.campaign("atlas", {}),
        seed=0,
        own=own,
        jobs=1,
        progress=lambda _line: None,
    )
    return list(survey.cells(releases, known))


@pytest.mark.slow
def test_cells_come_in_order_and_are_known_the_next_time(store: Store) -> None:
    cells = surveyed(store, "1.0", "2.0", "1.1")
    assert [(cell.release, cell.scenario) for cell in cells] == [
        (release, scenario)
        for release in ("1.0", "2.0", "1.1")
        for scenario in ("clean", "final-events")
    ]
    assert [cell.state for cell in cells] == [
        *("fails", "fails"),
        *("skipped", "skipped"),
        *("passes", "passes"),
    ]
    assert {cell.skipped for cell in cells} == {None, "2.0 cannot be resolved"}
    left_out = store.execute("SELECT client, scenario, skipped FROM series WHERE skipped NOTNULL")
    assert [Cell(*row[:2], skipped=row[2]) for row in left_out] == cells[2:4]

    known = known_cells(store, fingerprint=fingerprint(), seed=0, reps=REPS)
    assert known == [cell for cell in cells if cell.skipped is None]
    # Were a known cell run again, its release would have to be found.
    assert surveyed(store, "1.0", "1.1", known=tuple(known)) == known
    assert Builder.wanted == []
    # What is missing is, and nothing else is built.
    surveyed(store, "1.0", "1.1", known=tuple(known[:3]))
    assert Builder.wanted == ["1.1"]


def test_only_the_same_is_known(store: Store) -> None:
    surveyed(store, "1.1")
    asked = {"fingerprint": fingerprint(), "seed": 0, "reps": REPS}
    assert len(known_cells(store, **asked)) == 2  # type: ignore[arg-type]
    for other in ({"fingerprint": "edited"}, {"seed": 1}, {"reps": REPS + 1}):
        assert known_cells(store, **{**asked, **other}) == []  # type: ignore[arg-type]


def test_schedules_of_somebodys_own_scenario_are_kept(store: Store) -> None:
    surveyed(store, "1.1", own=("clean",))
    kept = store.execute(
        "SELECT scenario, count(schedule) FROM trials JOIN series ON series.id = series "
        "GROUP BY scenario"
    ).fetchall()
    assert kept == [("clean", REPS), ("final-events", 0)]


@pytest.mark.slow
def test_a_release_that_breaks_says_so_and_the_others_go_on(store: Store) -> None:
    cells = surveyed(store, "3.0", "1.1")
    assert [cell.state for cell in cells] == ["skipped", "skipped", "passes", "passes"]
    assert "nobody" in str(cells[0].skipped)


@pytest.mark.slow
def test_one_scenario_that_breaks_the_simulation_costs_no_other_one(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = module.run_campaign

    def breaking(client: Any, drawn: Any, *others: Any, **options: Any) -> Any:
        if drawn[0].scenario == "clean":
            raise WorldBroken("a real lock was taken:\n  the stack\nin on_event")
        return run(client, drawn, *others, **options)

    monkeypatch.setattr(module, "run_campaign", breaking)
    clean, final_events = surveyed(store, "1.1")
    assert (clean.state, clean.skipped) == ("skipped", "in on_event")
    assert (final_events.state, final_events.reps) == ("passes", REPS)


@pytest.mark.slow
def test_where_half_of_the_first_trials_hang_no_more_are_run(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In `clean` every other trial does, in `final-events` one less."""

    def hanging(
        _client: Any, drawn: Any, _workers: Any, *, start: int = 0, series: Any, **_: Any
    ) -> None:
        spared = drawn[0].scenario == "final-events"
        for number in range(start, len(drawn)):
            ok = number % 2 or (spared and number == 0)
            series.trial(TrialResult(number, ("ok" if ok else "hang",), str(number), 1.0, 1.0))

    monkeypatch.setattr(module, "run_campaign", hanging)
    reps = HEAD + 10
    clean, final_events = surveyed(store, "1.1", reps=reps)
    assert (clean.reps, clean.verdicts) == (HEAD, {"hang": HEAD // 2, "ok": HEAD // 2})
    assert final_events.reps == reps
    assert final_events.verdicts == {"hang": reps // 2 - 1, "ok": reps // 2 + 1}
    known = known_cells(store, fingerprint=fingerprint(), seed=0, reps=reps)
    assert known == [clean, final_events]
    # A rate that more trials were asked of is not known yet, that of a cell that hangs is.
    assert known_cells(store, fingerprint=fingerprint(), seed=0, reps=reps + 1) == [clean]


@pytest.mark.slow
def test_an_index_that_does_not_answer_says_nothing_of_a_release(store: Store) -> None:
    with pytest.raises(OutOfReach, match="does not answer"):
        surveyed(store, "1.1", "9.9")
    # And what came before it is known.
    assert len(known_cells(store, fingerprint=fingerprint(), seed=0, reps=REPS)) == 2


@pytest.mark.parametrize("text", ["new..newer", "1.0..x"])
def test_what_is_no_range_is_named(text: str) -> None:
    with pytest.raises(UsageError, match="is no range of releases: write"):
        releases_between(text)
