"""Tests of somebody's own in trials: what becomes of each kind, and that it repeats."""

import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest

from race_harness.model.combination import Combination
from race_harness.model.errors import UsageError, WorldBroken
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import Interleaving, LineStall, Link, Network, Schedule
from race_harness.search.draw import draw_schedules
from race_harness.search.portfolio import portfolio
from race_harness.workers.pool import Workers
from race_harness.workers.selection import Selection

FILE = Path(__file__).with_name("small_tests.py")


def started(*paths, jobs=1, **selected):
    selection = Selection(tuple(map(str, paths)), **selected)
    return Workers(sys.executable, selection.to_adapter(), jobs, Combination("sim", "own"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A project with nothing but the small tests, so that no configuration of ours is theirs."""
    made = tmp_path_factory.mktemp("project")
    # Names are told from here, wherever pytest is called.
    (made / "pytest.ini").write_text("[pytest]\n")
    shutil.copy(FILE, made / "small_tests.py")
    return made


@pytest.fixture(scope="module")
def small(folder):
    with started(folder / "small_tests.py", jobs=2) as workers:
        workers.wait_ready()
        yield workers


def named(test):
    return f"small_tests.py::{test}"


def whole(workers, test, **schedule):
    return workers.run_whole(Schedule(named(test), **schedule))


def test_they_are_all_collected(small):
    assert named("test_deadlock") in small.tests
    assert named("test_with_parameters[2]") in small.tests
    assert named("TestOfUnittest::test_fails") in small.tests


@pytest.mark.parametrize(
    ("test", "verdicts", "says"),
    [
        ("test_deadlock", "ok", ""),
        ("test_thread_dies", "thread-died", "thread 'die' died of LookupError: nobody is there"),
        ("test_hang", "hang", "deadlock: every thread waits"),
        ("test_hang_in_a_socket", "hang", "deadlock: every thread waits"),
        ("test_teardown_fails", "error", "teardown: OSError: cannot clean up at bad_end: raise"),
        (
            "test_fails_and_so_does_its_teardown",
            "failed error",
            "AssertionError: assert [1] == [2] at test_fails_and_so_does_its_teardown: assert",
        ),
        ("test_passes_unexpectedly", "failed", "[XPASS(strict)] known"),
        ("test_with_parameters[1]", "ok", ""),
        ("test_with_parameters[2]", "failed", "assert 2 == 1"),
        ("TestOfUnittest::test_passes", "ok", ""),
        ("TestOfUnittest::test_fails", "failed", "AssertionError: 1 != 2"),
        ("test_of_anyio", "ok", ""),
        ("test_everything_is_made_anew", "ok", ""),
        ("test_folders_have_the_same_names_each_time", "ok", ""),
        ("test_a_time_that_is_measured", "ok", ""),
        ("test_a_loop_until_a_time", "ok", ""),
        ("test_output_and_environment", "ok", ""),
        ("test_longer_than_its_timeout", "ok", ""),
        ("test_leaves_a_thread", "ok", ""),
    ],
)
def test_verdicts(small, test, verdicts, says):
    result, trial = whole(small, test)
    assert result.void is None
    assert " ".join(result.verdicts) == verdicts
    told = "\n".join(entry.says for entry in trial.evidence)
    assert says in told
    assert bool(told) == (verdicts != "ok")


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        ("test_skipped", "skipped: Skipped: not today"),
        ("test_skips_itself", "skipped: Skipped: not here"),
        ("test_expected_to_fail", "skipped: expected to fail, and did"),
        ("TestOfUnittest::test_skips", "skipped: Skipped: not now"),
        ("test_setup_fails", "its setup failed: OSError: cannot begin"),
    ],
)
def test_what_says_nothing_of_a_race_is_void(small, test, reason):
    result, _ = whole(small, test)
    assert result.verdicts == ()
    assert result.void.kind == ("setup" if test == "test_setup_fails" else "skipped")
    assert result.void.says.startswith(reason)


def test_a_hang_tells_where_every_thread_is(small):
    _, trial = whole(small, "test_hang_in_a_socket")
    (stack,) = trial.stacks.values()
    assert "listener.accept()" in stack


def test_a_thread_that_is_left_is_noted(small):
    _, trial = whole(small, "test_leaves_a_thread")
    assert trial.notes == ("threads that the test left behind: forgotten",)


def test_each_repetition_is_the_first(small):
    test = named("test_everything_is_made_anew")
    results = small.run([Schedule(test)] * 6)
    assert [result.verdicts for result in results] == [("ok",)] * 6
    assert len({result.digest for result in results}) == 1


RACES = ["deadlock", "lost_update", "missed_wake_up", "check_then_act"]


def drawn(workers, test, count, seed=0):
    name = named(test)
    lines = workers.source_lines()
    scenario = Scenario(name, "", lambda: portfolio(name, lines))
    return list(draw_schedules(scenario, seed, count))


@pytest.mark.slow
@pytest.mark.parametrize("race", RACES)
def test_the_portfolio_finds_a_race_and_nothing_in_its_right_twin(small, race):
    found = Counter(result.verdicts for result in small.run(drawn(small, f"test_{race}", 150)))
    assert set(found) == {("ok",), ("hang",) if race == "deadlock" else ("failed",)}
    right = small.run(drawn(small, f"test_{race}_right", 150))
    assert {result.verdicts for result in right} == {("ok",)}


@pytest.mark.slow
@pytest.mark.parametrize("race", RACES)
def test_a_right_test_passes_every_time(small, race):
    results = small.run(drawn(small, f"test_{race}_right", 400, seed=1))
    assert {result.verdicts for result in results} == {("ok",)}


@pytest.mark.slow
def test_digests_are_the_same_in_other_processes_whatever_the_jobs(small, folder, monkeypatch):
    schedules = [
        schedule
        for test in ("check_then_act", "folders_have_the_same_names_each_time", "of_anyio")
        for schedule in drawn(small, f"test_{test}", 12)
    ]
    first = [result.digest for result in small.run(schedules)]
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    with started(folder / "small_tests.py") as other:
        other.wait_ready()
        again = [result.digest for result in other.run(reversed(schedules))]
    assert first == again[::-1]
    assert len(set(first)) > 15


def test_the_lines_that_threads_ran_are_told_and_change_nothing(small):
    schedule = drawn(small, "test_check_then_act", 1)[0]
    plain, without = small.run_whole(schedule)
    result, trial = small.run_whole(schedule, "lines")
    assert (result.digest, result.verdicts) == (plain.digest, plain.verdicts)
    lines = [one for one in trial.happenings if one["what"] == "line"]
    assert {one["by"] for one in lines} > {"MainThread"}
    assert [one for one in trial.happenings if one not in lines] == list(without.happenings)
    assert not any(one["what"] == "line" for one in without.happenings)


def test_latencies_and_stalls_begin_with_the_test_itself(small):
    """The fixtures of a test are no part of what is tried."""
    stall = LineStall("run_all", "thread.start()", 1, 500.0)
    schedule = {
        "network": Network(rest=Link(200)),
        "interleaving": Interleaving(3, at_lines=True, stalls=(stall,)),
    }
    result, trial = whole(small, "test_check_then_act_right", **schedule)
    assert result.verdicts == ("ok",)
    begun, *others = trial.happenings
    assert (begun["what"], others[-1]["what"]) == ("test-called", "test-passed")
    assert result.virtual_s > 0.5 + 4 * 0.2
    assert [entry["what"] for entry in others].count("line-stalled") == 1


@pytest.mark.slow
def test_a_loop_that_never_ends_is_named(folder):
    (folder / "spinning.py").write_text("def test_spins():\n    while True:\n        pass\n")
    with started(folder / "spinning.py") as workers, pytest.raises(WorldBroken) as raised:
        workers.wait_ready()
    assert "test_spins" in str(raised.value)
    assert "spinning.py" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import nowhere_at_all\n", "cannot be collected: ModuleNotFoundError"),
        ("def test_(:\n", "cannot be collected: SyntaxError"),
        ("x = 1\n", "no test in"),
    ],
)
def test_what_cannot_be_collected_is_one_line(folder, text, says):
    (folder / "broken.py").write_text(text)
    with started(folder / "broken.py") as workers, pytest.raises(UsageError) as raised:
        workers.wait_ready()
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_one_line(folder):
    with started(folder / "nowhere.py") as workers, pytest.raises(UsageError) as raised:
        workers.wait_ready()
    assert "nowhere.py" in str(raised.value)


@pytest.mark.parametrize(
    ("body", "is_ours"),
    [
        # The first fails within the simulation, the others raise as real ones do.
        ("kernels.active.join(None)", True),
        ("threading.Lock().release()", False),
        ("socket.create_connection(('127.0.0.1', 1))", False),
        ("threading.Lock().acquire(timeout=-7)", False),
        ("{}['missing']", False),
    ],
)
def test_a_mistake_of_the_harness_is_no_failure_of_the_test(folder, body, is_ours):
    (folder / "mistaken.py").write_text(
        "import socket, threading\nimport race_harness.sim.kernel as kernels\n\n\n"
        f"def test_mistaken():\n    {body}\n"
    )
    with started(folder / "mistaken.py") as workers:
        if is_ours:
            with pytest.raises(WorldBroken, match="the simulation itself failed: AttributeError"):
                workers.wait_ready()
        else:
            workers.wait_ready()
            result, _ = workers.run_whole(Schedule("mistaken.py::test_mistaken"))
            assert result.verdicts == ("failed",)


def test_a_process_is_refused_unless_it_is_allowed(folder):
    (folder / "starting.py").write_text(
        "import subprocess, sys\n\n\ndef test_starts():\n"
        "    assert subprocess.run([sys.executable, '-c', '']).returncode == 0\n"
    )
    with started(folder / "starting.py") as workers, pytest.raises(WorldBroken) as raised:
        workers.wait_ready()
    assert "starting a process" in str(raised.value)
    with started(folder / "starting.py", child_processes=True) as workers:
        workers.wait_ready()
        result, _ = workers.run_whole(Schedule("starting.py::test_starts"))
    assert result.verdicts == ("ok",)
