"""The bench of this machine, with real workers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from race_harness.campaign.campaign import run_campaign
from race_harness.campaign.resolve import ClientUnderTest, find_client
from race_harness.search import library
from race_harness.search.draw import draw_schedules
from race_harness.soak.local import LocalBench
from race_harness.soak.plan import Plan, PlannedClient
from race_harness.soak.work import Soak
from race_harness.store.series import Key, Series
from race_harness.store.store import Store

NAMES = ("clean", "final-events")
ARGUMENTS = ("reference", "reference:eager")
REPS = 10


@pytest.fixture(scope="module")
def clients() -> list[ClientUnderTest]:
    return [find_client(argument, pytest.fail) for argument in ARGUMENTS]


@pytest.fixture(scope="module")
def bench(clients: list[ClientUnderTest]) -> Iterator[LocalBench]:
    with LocalBench(clients, {name: library.load(name) for name in NAMES}, jobs=2) as bench:
        yield bench


@pytest.mark.slow
def test_it_runs_the_trials_that_a_comparison_runs(
    bench: LocalBench, clients: list[ClientUnderTest], tmp_path: Path
) -> None:
    plan = Plan(tuple(PlannedClient(one, "0.1.0") for one in ARGUMENTS), NAMES, seed=3, reps=REPS)
    with Store(None) as store:
        campaign = store.campaign("soak", plan.to_dict())
        found = {
            key: campaign.series(
                Series(
                    *(key.position, ARGUMENTS[key.position], "0.1.0", "sim", "fake", ""),
                    *(key.scenario, 3, True, REPS),
                )
            )
            for key in plan.keys
        }
        soak = Soak(plan, found, failures=tmp_path / "soak")
        bench.run(soak)
        late = Key("final-events", 1)
        schedules = list(draw_schedules(library.load("final-events"), 3, REPS))
        with clients[1].workers(2) as workers:
            workers.wait_ready()
            compared = run_campaign(clients[1], schedules, workers, failures=tmp_path / "compare")
        assert [(one.index, one.verdicts, one.digest) for one in found[late].results()] == [
            (one.index, one.verdicts, one.digest) for one in compared.results
        ]
        right = [record for key, record in found.items() if key.position == 0]
        assert [record.counts() for record in right] == [(REPS, REPS)] * 2

        # Kept are the first one, as a comparison does, and perhaps those of other causes.
        (first,) = (path.name for path in (tmp_path / "compare").iterdir())
        assert (tmp_path / "soak" / first).read_text().partition('"client"')[2] == (
            tmp_path / "compare" / first
        ).read_text().partition('"client"')[2]
        assert found[late].causes()
        assert not any(record.causes() for record in right)


def test_it_ends_where_time_is_up(bench: LocalBench, tmp_path: Path) -> None:
    plan = Plan((PlannedClient("reference", "0.1.0"),), ("clean",), reps=10_000)
    with Store(None) as store:
        record = store.campaign("soak", {}).series(
            Series(0, "reference", "0.1.0", "sim", "fake", "", "clean", 0, drawn=True)
        )
        heard: list[int] = []
        soak = Soak(
            plan,
            {Key("clean", 0): record},
            until=10,
            clock=lambda: len(heard),
            on_result=lambda _key, result: heard.append(result.index),
            failures=tmp_path,
        )
        bench.run(soak)
        # Those that were under way when the tenth ended are not thrown away.
        assert 10 <= len(record.numbers()) == len(heard) <= 20
