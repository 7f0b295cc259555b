"""Trying failures elsewhere. Other workers stand in for those beside a real server."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from race_harness.campaign.campaign import examine
from race_harness.campaign.elsewhere import Confirmer, schedules_of_tries, usual_combinations
from race_harness.campaign.resolve import ClientUnderTest, find_client, recorded
from race_harness.model.combination import REAL_FAKE, REAL_REAL, SIM_FAKE, SIM_REAL, Combination
from race_harness.model.errors import ClientUnavailable, WorldBroken
from race_harness.model.failure import Failure
from race_harness.model.schedule import Interleaving, Schedule
from race_harness.search import library
from race_harness.search.draw import draw_schedules
from race_harness.store.store import Store
from race_harness.workers.pool import Workers

Asked = list[tuple[str, str, str]]


@pytest.fixture(scope="module")
def failure(workers: Callable[[str], Workers]) -> Failure:
    name = "reference:eager"
    (schedule,) = draw_schedules(library.load("final-events"), 0, 1)
    found = examine(find_client(name, pytest.fail), workers(name), schedule)
    assert found.judgement.headline == "early"
    return found


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Asked]:
    """Lets a client of this name, in the simulation with the fake, take the place of all."""

    def use(name: str) -> Asked:
        asked: Asked = []

        def find(
            argument: str, progress: Callable[[str], None], *, server: str, world: str
        ) -> ClientUnderTest:
            asked.append((argument, server, world))
            return replace(find_client(name, progress), resolved_version="1.58.0")

        monkeypatch.setattr("race_harness.campaign.elsewhere.find_client", find)
        return asked

    return use


def silent(_line: str) -> None:
    pass


def test_every_try_counts(stand_in: Callable[[str], Asked], failure: Failure) -> None:
    asked = stand_in("reference:eager")
    with Confirmer(silent, tries=3) as confirmer:
        seen = confirmer.tried(failure, SIM_REAL)
        assert (seen.tries, seen.reproduced, seen.rate) == (3, 3, 1.0)
        assert seen.verdicts["early"] == 3
        assert (seen.resolved_version, seen.server_version, seen.reason) == (
            "1.58.0", "1.58.0", None,
        )  # fmt: skip
        # The workers are there for the next one.
        confirmer.tried(failure, SIM_REAL)
    assert asked == [("reference:eager", "real:1.58.0", "sim")]


def test_what_is_not_seen_is_not_confirmed_however_it_fails(
    stand_in: Callable[[str], Asked], failure: Failure
) -> None:
    stand_in("reference")
    other = replace(failure, judgement=replace(failure.judgement, verdicts=("hang",)))
    with Confirmer(silent, tries=2) as confirmer:
        assert confirmer.tried(failure, SIM_REAL).reproduced == 0
        assert confirmer.tried(failure, SIM_REAL).verdicts == {"ok": 2}
    stand_in("reference:eager")
    with Confirmer(silent, tries=2) as confirmer:
        seen = confirmer.tried(other, SIM_REAL)
        assert (seen.reproduced, seen.verdicts["early"]) == (0, 2)


def test_what_the_combination_cannot_do_starts_nothing(
    stand_in: Callable[[str], Asked], failure: Failure
) -> None:
    asked = stand_in("reference:eager")
    schedule = Schedule("s", interleaving=Interleaving(3, at_lines=True))
    with Confirmer(pytest.fail) as confirmer:
        seen = confirmer.tried(replace(failure, schedule=schedule), REAL_FAKE)
    assert (seen.tries, seen.rate, asked) == (0, None, [])
    assert seen.reason is not None
    assert seen.reason.startswith("not run: interleaving.seed: ")
    assert "interleaving.at_lines: " in seen.reason


def test_what_is_lacking_is_asked_for_once(
    monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    asked: list[str] = []

    def find(argument: str, *_: object, **__: object) -> ClientUnderTest:
        asked.append(argument)
        raise ClientUnavailable("no server")

    monkeypatch.setattr("race_harness.campaign.elsewhere.find_client", find)
    with Confirmer(silent) as confirmer:
        for _ in range(2):
            with pytest.raises(ClientUnavailable, match="no server"):
                confirmer.tried(failure, SIM_REAL)
        assert len(asked) == 1
        with pytest.raises(ClientUnavailable):
            confirmer.tried(failure, REAL_REAL)


def test_failures_of_several_clients_are_tried_and_recorded_in_one_campaign(
    monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    def find(
        argument: str, progress: Callable[[str], None], *, server: str, world: str
    ) -> ClientUnderTest:
        client = find_client("reference:eager", progress)
        return replace(client, argument=argument, resolved_version=argument)

    monkeypatch.setattr("race_harness.campaign.elsewhere.find_client", find)
    with Store(None) as store:
        record = store.campaign("soak", {})
        # Each anew: what an interrupted campaign goes on with has no memory of the first.
        for releases in (("1.57.0", "1.58.0"), ("1.58.0", "1.57.0")):
            with Confirmer(silent, tries=2, record=record) as confirmer:
                for release in releases:
                    tries = confirmer.tries(release, "real", failure.schedule, SIM_REAL)
                    assert tries.confirmation("early").reproduced == 2
        rows = store.execute(
            "SELECT resolved_version, count(*) FROM series JOIN trials ON series = series.id "
            "GROUP BY series.id ORDER BY position"
        ).fetchall()
    assert rows == [("1.57.0", 4), ("1.58.0", 4)]


def test_after_a_broken_world_the_next_failure_gets_other_workers(
    stand_in: Callable[[str], Asked], failure: Failure, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = stand_in("reference:eager")
    run = Workers.run

    def broken(*_: object) -> None:
        raise WorldBroken("a thread escaped")

    with Confirmer(silent, tries=1) as confirmer:
        monkeypatch.setattr(Workers, "run", broken)
        with pytest.raises(WorldBroken):
            confirmer.tried(failure, SIM_REAL)
        monkeypatch.setattr(Workers, "run", run)
        assert confirmer.tried(failure, SIM_REAL).reproduced == 1
    assert len(asked) == 2


def test_in_the_simulation_tries_differ_in_entropy_alone() -> None:
    schedule = Schedule("s", entropy=2**63 - 2)
    tries = schedules_of_tries(schedule, 4, "sim")
    assert [each.entropy for each in tries] == [2**63 - 2, 2**63 - 1, 0, 1]
    assert all(replace(each, entropy=schedule.entropy) == schedule for each in tries)
    assert schedules_of_tries(schedule, 4, "real") == [schedule] * 4


def test_where_a_failure_is_tried(failure: Failure) -> None:
    assert usual_combinations(failure.server) == (SIM_REAL, REAL_FAKE, REAL_REAL)
    assert usual_combinations("own") == (Combination("real", "own"),)
    of_another = ("fake", "1.58.2"), ("real", "1.58.2")
    assert usual_combinations("fake:1.58.2") == tuple(
        Combination("real", *each) for each in of_another
    )


@pytest.mark.parametrize(
    ("client", "server", "combination", "meant"),
    [
        ("1.10.0", "fake", None, ("1.10.0", "fake")),
        ("1.10.0", "fake", SIM_REAL, ("1.10.0", "real")),
        ("latest", "real", None, ("1.58.2", "real")),
        ("installed", "fake", REAL_FAKE, ("installed", "fake")),
        # Here the server is not beside it.
        ("installed", "fake", REAL_REAL, ("1.58.2", "real")),
        ("installed", "real", None, ("installed", "real")),
        ("reference:poll", "fake", SIM_REAL, ("reference:poll", "real:1.58.0")),
        ("reference", "real", SIM_FAKE, ("reference", "fake")),
        ("1.10.0", "fake:1.58.0", None, ("1.10.0", "fake:1.58.0")),
        ("1.10.0", "real:1.58.0", SIM_FAKE, ("1.10.0", "fake")),
        (
            "1.10.0",
            "fake:1.58.0",
            Combination("real", "real", "1.58.0"),
            ("1.10.0", "real:1.58.0"),
        ),
        ("/here/mine.py:Racy", "own", None, ("/here/mine.py:Racy", "fake")),
    ],
)
def test_the_client_of_a_file_elsewhere(
    failure: Failure,
    client: str,
    server: str,
    combination: Combination | None,
    meant: tuple[str, str],
) -> None:
    of_file = replace(
        failure, client=client, server=server, resolved_version="1.58.2", server_version="1.58.0"
    )
    assert recorded(of_file, combination) == meant


def test_a_failure_that_was_found_on_the_real_server_says_so(
    workers: Callable[[str], Workers], failure: Failure, tmp_path: Path
) -> None:
    """As far as the controlling side is concerned."""
    name = "reference:eager"
    there = replace(find_client(name, pytest.fail), combination=SIM_REAL)
    found = examine(there, workers(name), failure.schedule)
    assert {name: one.reproduced for name, one in found.confirmed.items()} == {"sim×real": 1}
    found.write(tmp_path / "f.json")
    assert Failure.read(tmp_path / "f.json") == found
    passed = examine(there, workers("reference"), failure.schedule)
    assert (passed.judgement.headline, passed.confirmed) == ("ok", {})
