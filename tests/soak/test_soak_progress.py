"""What is said of a soak while it runs, on a terminal and in a log."""

import re
from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console
from rich.progress import Progress
from soak_rig import PLAN

from race_harness.cli.soak_progress import SoakProgress, columns
from race_harness.model.outcome import Void
from race_harness.model.verdict import TrialResult
from race_harness.statistics.sequential import SequentialTest
from race_harness.store.series import Key

OK = TrialResult(0, ("ok",), "d", 1.0, 1.0)
LATE = TrialResult(1, ("late",), "d", 1.0, 1.0)
VOID = TrialResult(2, (), "", 0.0, 1.0, void=Void("unreached", "why"))
KEY = Key("one", 0)
TESTED = replace(PLAN, reps=None, test=SequentialTest(0.001, 0.02))


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("terminal", [True, False])
def test_in_a_log_there_is_a_line_each_minute_and_on_a_terminal_none(terminal: bool) -> None:
    clock, said = Clock(), list[str]()
    console = Console(file=StringIO(), force_terminal=terminal, width=150)
    with Progress(*columns(), console=console, disable=not terminal) as progress:
        shown = SoakProgress(progress, PLAN, {KEY: 40}, seconds=None, say=said.append, clock=clock)
        for number in range(300):
            clock.now += 0.5
            shown.result(KEY, LATE if number < 3 else VOID if number < 5 else OK)
            shown.tell(decided=0)
    assert said == (
        []
        if terminal
        else [
            "160 of 1000 trials, 2 /s, 3 failed, 0:07:00 left",
            "280 of 1000 trials, 2 /s, 3 failed, 0:06:00 left",
        ]
    )


def test_with_a_time_what_is_left_of_it_is_said_and_how_many_are_decided() -> None:
    clock = Clock()
    progress = Progress(*columns(), disable=True)
    shown = SoakProgress(progress, TESTED, {}, seconds=7_200, say=pytest.fail, clock=clock)
    clock.now += 60
    shown.result(KEY, OK)
    assert shown.line(2) == "1 trials, 0 /s, 0 failed, 2 of 4 series decided, 1:59:00 left"
    clock.now += 10_000
    assert shown.line(4).endswith("0:00:00 left")


def test_few_series_have_a_bar_each_and_many_one_for_each_client() -> None:
    for names, bars in ((("one", "two"), 4), (tuple("abcdefgh"), 2)):
        progress = Progress(*columns(), disable=True)
        plan = replace(PLAN, scenarios=names)
        SoakProgress(progress, plan, {}, seconds=None, say=pytest.fail, clock=Clock())
        # And one for all.
        assert len(progress.tasks) == bars + 1
        assert sum(task.total or 0 for task in progress.tasks[:-1]) == 250 * 2 * len(names)


def test_bars_tell_the_failures_of_their_series() -> None:
    clock = Clock()
    console = Console(file=StringIO(), force_terminal=True, width=150)
    progress = Progress(*columns(), console=console)
    shown = SoakProgress(progress, PLAN, {KEY: 10}, seconds=None, say=pytest.fail, clock=clock)
    for result in (OK, LATE, LATE):
        shown.result(KEY, result)
    clock.now += 1
    shown.tell(0)
    task = progress.tasks[0]
    assert (task.completed, task.fields["told"]) == (13, "2 failed")
    assert progress.tasks[-1].fields["told"] == "13 of 1000 trials, 3 /s, 2 failed, 0:05:29 left"


@pytest.mark.parametrize("width", [60, 80])
def test_on_a_narrow_terminal_words_wrap_and_nothing_is_cut(width: int) -> None:
    written = StringIO()
    console = Console(file=written, width=width)
    progress = Progress(*columns(), console=console)
    told = "12345 of 100000 trials, 210 /s, 300 failed, 5 of 42 series decided, 1:02:03 left"
    progress.add_task("       all", total=10, told=told)
    console.print(progress)
    first, *more = written.getvalue().splitlines()
    assert re.search("all .* 12345 of 100000 .* 0:00:00 *$", first)
    assert "…" not in written.getvalue()
    assert "1:02:03 left" in " ".join(more)
