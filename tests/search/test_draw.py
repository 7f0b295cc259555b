"""Drawing a campaign's schedules: the same for the same seed, whatever else is going on."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import strategies as st

from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Schedule, Script, ServerTiming
from race_harness.search import library
from race_harness.search.draw import BATCH, draw_schedules

NAMES = ["clean", "cut-at-run", "delayed-callback", "final-events", "reconnect-gap"]
"""Some of each kind: few values and many, faults and none."""

NUMBERS = Scenario(
    name="numbers",
    summary="every draw a number",
    schedules=lambda: st.builds(
        lambda ms: Schedule("anything", 99, server=ServerTiming(think_ms=ms)),
        st.integers(0, 1_000_000).map(float),
    ),
)
FEW = Scenario(
    name="few",
    summary="three schedules",
    schedules=lambda: st.integers(0, 2).map(lambda n: Schedule("any", script=Script(n))),
)
ONE = Scenario(name="one", summary="a single one", schedules=lambda: st.just(Schedule("any")))


def drawn(scenario: Scenario, seed: int, reps: int) -> list[Schedule]:
    return list(draw_schedules(scenario, seed, reps))


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_schedules(name: str) -> None:
    scenario = library.load(name)
    assert drawn(scenario, 7, 150) == drawn(scenario, 7, 150)


@pytest.mark.parametrize("name", NAMES)
def test_few_repetitions_are_the_first_of_many(name: str) -> None:
    scenario = library.load(name)
    many = drawn(scenario, 0, 210)
    assert len(many) == 210
    for reps in (1, BATCH - 1, BATCH, BATCH + 1):
        assert drawn(scenario, 0, reps) == many[:reps]


def test_another_seed_gives_other_schedules() -> None:
    one, other = drawn(NUMBERS, 0, BATCH), drawn(NUMBERS, 1, BATCH)
    assert [s.server for s in one] != [s.server for s in other]
    assert {s.entropy for s in one}.isdisjoint(s.entropy for s in other)


def test_another_scenario_has_other_entropies() -> None:
    assert drawn(ONE, 0, 1)[0].entropy != drawn(FEW, 0, 1)[0].entropy


@pytest.mark.parametrize("scenario", [NUMBERS, FEW, ONE], ids=lambda scenario: scenario.name)
def test_every_schedule_has_the_scenarios_name_and_an_entropy_of_its_own(
    scenario: Scenario,
) -> None:
    schedules = drawn(scenario, 0, 500)
    assert {s.scenario for s in schedules} == {scenario.name}
    assert len({s.entropy for s in schedules}) == 500
    assert all(0 <= s.entropy < 2**63 for s in schedules)


def test_schedules_repeat_only_where_the_strategy_has_no_more() -> None:
    assert len({s.server for s in drawn(NUMBERS, 0, BATCH)}) == BATCH
    # Batches know nothing of one another, and all like the smallest numbers best.
    assert len({s.server for s in drawn(NUMBERS, 0, 5 * BATCH)}) > 4 * BATCH
    assert {s.script.tool_calls for s in drawn(FEW, 0, 10)} == {0, 1, 2}
    counts = Counter(s.script.tool_calls for s in drawn(FEW, 0, 3 * BATCH))
    assert min(counts.values()) >= 3 * (BATCH // 3)
    assert {replace(s, entropy=0) for s in drawn(ONE, 0, 250)} == {Schedule("one")}


def test_no_more_is_drawn_than_is_asked_for() -> None:
    """A million repetitions may be begun at once."""
    assert len(list(islice(draw_schedules(ONE, 0, 10**9), 3))) == 3


def test_a_few_cost_only_a_few() -> None:
    made: list[int] = []
    counted = st.integers(0, 10**6).map(lambda n: made.append(n) or Schedule("counted"))
    assert len(drawn(Scenario("counted", "counts", lambda: counted), 0, BATCH + 7)) == BATCH + 7
    # Hypothesis gives up a few of those that it begins.
    assert BATCH + 7 <= len(made) < 2 * BATCH


HOOKS = """
import gc
from race_harness.search import library
from race_harness.search.draw import draw_schedules
assert len(list(draw_schedules(library.load("final-events"), 0, 100))) == 100
print(len(gc.callbacks), gc.isenabled())
from hypothesis import given, strategies as st
given(st.none())(lambda _: None)()
print(len(gc.callbacks))
"""


def test_no_hook_is_left_in_which_an_interrupt_would_be_lost(tmp_path: Path) -> None:
    """Hypothesis by itself leaves one in the garbage collector, for good."""
    assert printed(tmp_path, HOOKS).split() == ["0", "True", "1"]


PROGRAM = """
import sys
from race_harness.search import library
from race_harness.search.draw import draw_schedules
for name in ("final-events", "cut-at-run"):
    for schedule in draw_schedules(library.load(name), 0, 100):
        print(schedule.to_json())
"""


def printed(folder: Path, program: str = PROGRAM, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, **environment},
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout


def test_schedules_depend_on_nothing_but_scenario_and_seed(tmp_path: Path) -> None:
    """Hypothesis prefers constants of imported modules, has a profile for CI, and a database."""
    plain = printed(tmp_path)
    assert plain.count("\n") == 200
    constants = ", ".join(str(number) for number in range(100, 1_400))
    (tmp_path / "application.py").write_text(f"LIMITS = ({constants})\n")
    assert printed(tmp_path, f"import application\n{PROGRAM}") == plain
    assert printed(tmp_path, CI="true", PYTHONHASHSEED="7") == plain
