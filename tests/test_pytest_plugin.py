"""`pytest -m race`, in a folder where there is nothing at all."""

import importlib
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from race_harness import pytest_plugin
from race_harness.campaign import drawn
from race_harness.campaign.resolve import ClientUnderTest
from race_harness.model.errors import WorldBroken
from race_harness.model.outcome import Void
from race_harness.model.scenario import Scenario
from race_harness.model.schedule import RestFault, Schedule
from race_harness.search import library
from race_harness.workers.pool import Workers

REFERENCE = ("-m", "race", "--race-client", "reference", "--race-reps", "5")
EAGER = ("-m", "race", "--race-client", "reference:eager", "--race-reps", "5")

ALL = len(library.names())

Result = pytest.RunResult


def run(pytester: pytest.Pytester, *arguments: str) -> Result:
    """Within this process, which is quicker."""
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments)


def run_alone(pytester: pytest.Pytester, *arguments: str) -> Result:
    """In a process of its own. What a timeout raises can be lost in this one: other tests, those
    with Hypothesis and those with Dask, leave hooks in the garbage collector."""
    return pytester.runpytest_subprocess("-p", "no:cacheprovider", *arguments)


@pytest.fixture(scope="module", autouse=True)
def imported() -> None:
    """Pytester forgets what a session in this process imported, and orjson and NumPy do not stand
    being imported a second time."""
    for name in ("cli.recorded", "clients.reference", "store.migrations", "story.timeline"):
        importlib.import_module(f"race_harness.{name}")


@pytest.fixture
def lent(monkeypatch: pytest.MonkeyPatch, workers: Callable[[str], Workers]) -> None:
    """Lets the session run its trials on workers that have imported the client already."""

    class Lent:
        def __init__(self, client: ClientUnderTest) -> None:
            self._pool = workers(client.adapter)

        def __getattr__(self, name: str) -> object:
            return getattr(self._pool, name)

        def wait_ready(self) -> None:
            """They are."""

        def close(self) -> None:
            """Others need them."""

    monkeypatch.setattr(ClientUnderTest, "workers", lambda client, _jobs: Lent(client))


@pytest.mark.slow
def test_the_scenarios_run_in_an_empty_folder(pytester: pytest.Pytester) -> None:
    result = run_alone(pytester, "-v", *REFERENCE, "--race-reps", "1")
    result.assert_outcomes(passed=ALL)
    assert result.ret == pytest.ExitCode.OK
    for name in library.names():
        result.stdout.fnmatch_lines([f"*race*{name}*PASSED*"])
    assert not (pytester.path / ".race").exists()


@pytest.mark.usefixtures("lent")
def test_a_failure_is_recorded_and_a_short_story_and_no_traceback(
    pytester: pytest.Pytester,
) -> None:
    result = run(pytester, "-k", "clean", "--race-record", "record.db", *EAGER)
    result.assert_outcomes(failed=1, deselected=ALL - 1)
    result.stdout.fnmatch_lines(
        [
            "* race: clean *",
            "0.1.0 failed 5 of 5 repetitions of clean",
            "the first of them:",
            "*early*client reference:eager*",
            "replay: race replay .race/failures/clean-0.1.0-*.json",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*RaceLost*")
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")
    (file,) = (pytester.path / ".race" / "failures").iterdir()
    result.stdout.fnmatch_lines([f"replay: race replay .race/failures/{file.name}"])
    with closing(sqlite3.connect(pytester.path / "record.db")) as record:
        rows = record.execute(
            "SELECT command, scenario, drawn, reps, count(*), ending FROM trials "
            "JOIN series ON series.id = series JOIN campaigns ON campaigns.id = campaign"
        ).fetchall()
        paths = record.execute("SELECT path FROM failures").fetchall()
    assert rows == [("pytest", "clean", 1, 5, 5, "finished")]
    assert paths == [(f".race/failures/{file.name}",)]


@pytest.mark.slow
def test_a_client_of_ones_own(pytester: pytest.Pytester) -> None:
    own = Path(__file__).parent / "clients" / "own_client.py"
    for name, outcome in (("Right", "passed"), ("Racy", "failed")):
        options = ("-k", "final-events", "--race-client", f"{own}:{name}", "--race-reps", "20")
        result = run(pytester, "-m", "race", *options)
        assert result.parseoutcomes()[outcome] == 1


OWN = Path(__file__).parent / "campaign" / "own_scenario.py"


@pytest.fixture
def mine(pytester: pytest.Pytester) -> Path:
    """A folder with a scenario of one's own, which the configuration names."""
    pytester.makeini("[pytest]\nrace_scenarios = races")
    folder = pytester.mkdir("races")
    (folder / "own_scenario.py").write_bytes(OWN.read_bytes())
    (folder / "_helpers.py").write_text("1 / 0")
    return folder


@pytest.mark.usefixtures("lent", "mine")
def test_scenarios_of_ones_own_run_beside_the_others(pytester: pytest.Pytester) -> None:
    assert len(collected(pytester, "-m", "race")[1]) == ALL + 1
    result = run(pytester, "-k", "own-scenario or clean", *REFERENCE)
    result.assert_outcomes(passed=2, deselected=ALL - 1)
    poll = ("-m", "race", "--race-client", "reference:poll", "--race-reps", "20")
    result = run(pytester, "-k", "own-scenario", *poll)
    result.assert_outcomes(failed=1, deselected=ALL)
    result.stdout.fnmatch_lines(["0.1.0 failed * of 20 repetitions of slow-socket"])


@pytest.mark.usefixtures("lent")
def test_a_bad_scenario_of_ones_own_fails_in_one_line_and_alone(
    pytester: pytest.Pytester, mine: Path
) -> None:
    (mine / "bad.py").write_text("1 / 0")
    result = run(pytester, "-k", "bad or clean", *REFERENCE)
    result.assert_outcomes(passed=1, failed=1, deselected=ALL)
    result.stdout.fnmatch_lines(["*bad.py raises in line 1: ZeroDivisionError: division by zero"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_folder_of_scenarios_that_is_not_there_is_told(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nrace_scenarios = nowhere")
    result = run(pytester, "-m", "race")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: race_scenarios: no folder '*nowhere'"])


def collected(pytester: pytest.Pytester, *arguments: str) -> tuple[int, list[str]]:
    """The exit status, and which tests would run."""
    result = run(pytester, "--collect-only", "-q", *arguments)
    lines = [line for line in result.outlines if "::" in line or line.startswith("race")]
    return int(result.ret), lines


def count_of_scenarios(lines: list[str]) -> int:
    return sum(any(name in line for name in library.names()) for line in lines)


def test_plain_pytest_is_left_alone(pytester: pytest.Pytester) -> None:
    status, lines = collected(pytester)
    assert (status, lines) == (pytest.ExitCode.NO_TESTS_COLLECTED, [])


def test_an_ini_option_adds_them_to_a_plain_pytest(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nrace = true\n")
    status, lines = collected(pytester)
    assert status == pytest.ExitCode.OK
    assert count_of_scenarios(lines) == ALL
    # But not where other tests were named.
    pytester.makepyfile(test_own="def test_it(): pass")
    status, lines = collected(pytester, "test_own.py")
    assert lines == ["test_own.py::test_it"]


@pytest.mark.parametrize(
    ("selection", "own", "ours"),
    [
        (("-m", "race"), 0, ALL),
        (("-m", "not race"), 1, 0),
        (("-m", "smoke"), 0, 0),
        (("-m", "race", "-k", "clean"), 0, 1),
        (("-m", "race", "-k", "not clean"), 0, ALL - 1),
        (("-k", "clean"), 0, 0),
        ((), 1, 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_marks_and_names_select(
    pytester: pytest.Pytester, selection: tuple[str, ...], own: int, ours: int
) -> None:
    pytester.makeini("[pytest]\nmarkers = smoke\n")
    pytester.makepyfile(test_own="def test_it(): pass")
    _, lines = collected(pytester, *selection)
    assert (sum("test_it" in line for line in lines), count_of_scenarios(lines)) == (own, ours)


@pytest.fixture
def all_known_to_fail(monkeypatch: pytest.MonkeyPatch, lent: None) -> None:
    """And five repetitions are enough to say that a client does not."""
    monkeypatch.setattr(ClientUnderTest, "is_sdk", True)
    monkeypatch.setattr(Scenario, "known_to_fail", lambda _self, _version: True)
    monkeypatch.setattr(pytest_plugin, "REPS", 5)


@pytest.mark.usefixtures("all_known_to_fail")
@pytest.mark.parametrize(
    ("client", "reps", "outcomes", "says"),
    [
        ("reference:eager", "5", {"xfailed": 1}, "*known to fail*"),
        # It is fixed, or the harness has gone blind.
        ("reference", "5", {"failed": 1}, "*XPASS(strict)*known to fail*"),
        # Too few to say so.
        ("reference", "4", {"xpassed": 1}, "*known to fail*"),
    ],
)
def test_what_is_known_to_fail_is_expected_to(
    pytester: pytest.Pytester, client: str, reps: str, outcomes: dict[str, int], says: str
) -> None:
    result = run(
        pytester, "-m", "race", "-k", "clean", "-rA", "--race-client", client, "--race-reps", reps
    )
    result.assert_outcomes(**outcomes, deselected=ALL - 1)
    result.stdout.fnmatch_lines([says])


@pytest.mark.usefixtures("all_known_to_fail")
def test_another_seed_is_not_what_is_known_to_fail(pytester: pytest.Pytester) -> None:
    result = run(pytester, "-k", "clean", "--race-seed", "1", *REFERENCE)
    result.assert_outcomes(xpassed=1, deselected=ALL - 1)


@pytest.mark.usefixtures("all_known_to_fail")
def test_a_broken_world_is_not_what_is_known_to_fail(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_arguments: object, **_options: object) -> None:
        raise WorldBroken("a thread escaped")

    monkeypatch.setattr(Workers, "stream", broken)
    result = run(pytester, "-k", "clean", *REFERENCE)
    result.assert_outcomes(failed=1, deselected=ALL - 1)
    result.stdout.fnmatch_lines(["a thread escaped"])


@pytest.mark.usefixtures("all_known_to_fail")
def test_repetitions_without_a_verdict_are_no_pass(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_of = drawn.draw_batch
    down = (RestFault("status", "create", times=10_000, since="start"),)

    def without_conversation(*arguments: Any) -> list[Schedule]:
        return [replace(schedule, rest=down) for schedule in batch_of(*arguments)]

    monkeypatch.setattr(drawn, "draw_batch", without_conversation)
    result = run(pytester, "-k", "clean", *REFERENCE)
    result.assert_outcomes(failed=1, deselected=ALL - 1)
    result.stdout.fnmatch_lines(["5 of 5 repetitions of clean were void"])


@pytest.mark.usefixtures("all_known_to_fail")
def test_what_a_release_does_not_have_is_skipped(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Workers.stream
    lacking = Void("not-run", "caller.acts[0], interrupt: 1.6.0 has no such thing")

    def not_run(self: Workers, *arguments: Any) -> Iterator[object]:
        for result, whole in real(self, *arguments):
            yield replace(result, verdicts=(), void=lacking), whole

    monkeypatch.setattr(Workers, "stream", not_run)
    result = run(pytester, "-k", "clean", "-rs", *REFERENCE)
    result.assert_outcomes(skipped=1, deselected=ALL - 1)
    result.stdout.fnmatch_lines(["*not run: caller.acts*, interrupt: 1.6.0 has no such thing"])


@pytest.mark.parametrize(
    ("kind", "outcomes"), [("unfit", {"skipped": 1}), ("unreached", {"failed": 1})]
)
@pytest.mark.usefixtures("lent")
def test_what_a_client_lacks_in_some_repetitions_is_skipped_and_nothing_else(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, kind: Any, outcomes: dict[str, int]
) -> None:
    real = Workers.stream
    void = Void(kind, "no interrupt()")

    def some_void(self: Workers, *arguments: Any) -> Iterator[object]:
        for result, whole in real(self, *arguments):
            yield replace(result, verdicts=(), void=void) if result.index else result, whole

    monkeypatch.setattr(Workers, "stream", some_void)
    result = run(pytester, "-k", "clean", "-rs", *REFERENCE)
    result.assert_outcomes(**outcomes, deselected=ALL - 1)
    result.stdout.fnmatch_lines(["*4 of 5 repetitions of clean were void*"])


@pytest.mark.usefixtures("lent")
def test_who_is_strict_fails_what_had_to_be_explained(pytester: pytest.Pytester) -> None:
    asked = ("-k", "close-during-run", *REFERENCE)
    run(pytester, *asked).assert_outcomes(passed=1, deselected=ALL - 1)
    result = run(pytester, *asked, "--race-strict")
    result.assert_outcomes(failed=1, deselected=ALL - 1)
    result.stdout.fnmatch_lines(["*failed 5 of 5 repetitions of close-during-run"])


@pytest.mark.slow
def test_a_scenario_that_takes_too_long_fails_and_the_next_one_works(
    pytester: pytest.Pytester,
) -> None:
    """Once while the client is being imported, once in the middle of the trials."""
    pytester.makeconftest(
        """
import pytest
from race_harness.workers.pool import Workers

real = Workers.stream

def pytest_collection_modifyitems(items):
    limits = {"clean": 0.2, "delayed-callback": 3}
    for item in items:
        if item.name in limits:
            item.add_marker(pytest.mark.timeout(limits[item.name]), append=False)

def stream(self, schedules, *others):
    schedules = list(schedules)
    if schedules[0].scenario == "delayed-callback":
        schedules = schedules * 1_000_000
    return real(self, schedules, *others)

Workers.stream = stream
"""
    )
    four = "clean or cut-at-run or delayed-callback or final-events"
    result = run_alone(pytester, "-v", "-k", four, *REFERENCE)
    result.assert_outcomes(passed=2, failed=2, deselected=ALL - 4)
    result.stdout.fnmatch_lines(
        ["*clean*FAILED*", "*cut-at-run*PASSED*", "*delayed-callback*FAILED*", "*events*PASSED*"]
    )
    result.stdout.fnmatch_lines(["*Timeout (>0.2s) from pytest-timeout*"])
    result.stdout.fnmatch_lines(["*Timeout (>3.0s) from pytest-timeout*"])


@pytest.mark.slow
def test_the_timeout_is_an_option(pytester: pytest.Pytester) -> None:
    result = run_alone(pytester, "-k", "clean", "--race-timeout", "0.2", *REFERENCE)
    result.assert_outcomes(failed=1, deselected=ALL - 1)
    result.stdout.fnmatch_lines(["*Timeout (>0.2s) from pytest-timeout*"])


@pytest.mark.parametrize(
    ("client", "says"),
    [
        ("/no/such/place", "no directory '/no/such/place'"),
        ("reference:charm", "no bug 'charm' to plant; *"),
    ],
)
def test_a_client_that_cannot_be_had_is_one_line(
    pytester: pytest.Pytester, client: str, says: str
) -> None:
    result = run(pytester, "-m", "race", "-k", "clean", "--race-client", client)
    result.assert_outcomes(failed=1, deselected=ALL - 1)
    place = next(i for i, line in enumerate(result.outlines) if "_ race: clean _" in line)
    result.stdout.fnmatch_lines([says])
    assert result.outlines[place + 2].startswith("=" * 10)
    result.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize("reps", ["0", "many"])
def test_a_number_of_repetitions_that_is_none(pytester: pytest.Pytester, reps: str) -> None:
    result = run(pytester, "-m", "race", "--race-reps", reps)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--race-reps*"])


def test_options_and_mark_are_documented(pytester: pytest.Pytester) -> None:
    text = run(pytester, "--help", "--markers").stdout
    text.fnmatch_lines(["*pytest -m race*", "*--race-client=CLIENT*", "*--race-reps=N*"])
    run(pytester, "--markers").stdout.fnmatch_lines(["@pytest.mark.race(reps, *): *"])


LOADED = """
import sys
import pytest
pytest.main(["--collect-only", "-q", "-m", "race", "-p", "no:cacheprovider"])
assert "race_harness.pytest_plugin" in sys.modules
print("loaded:", [m for m in sys.modules if m.startswith(("openhands", "race_harness.sim"))])
"""


def test_loading_and_collecting_imports_neither_client_nor_simulation(
    pytester: pytest.Pytester,
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=pytester.path, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "loaded: []", done.stdout + done.stderr
    assert "clean" in done.stdout


# -- tests of one's own

OWN_TESTS = """
import threading

import pytest


class Box:
    count = 0

    @classmethod
    def add(cls):
        before = cls.count
        after = before + 1
        cls.count = after


@pytest.fixture(autouse=True)
def not_in_this_process():
    import race_harness.sim.kernel as kernels
    assert kernels.active is not None


@pytest.mark.race(reps=400)
def test_lost_update():
    threads = [threading.Thread(target=Box.add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Box.count == 2


@pytest.mark.race(reps=5)
@pytest.mark.parametrize("number", [1, 2])
def test_with_parameters(number):
    assert number


class TestInAClass:
    def test_unmarked(self, tmp_path):
        assert not list(tmp_path.iterdir())


@pytest.mark.race(reps=3)
def test_skipped():
    pytest.skip("not here")


@pytest.mark.race(
    reps=1,
    schedule={
        "interleaving": {
            "stalls": [{"function": "Box.add", "line": "cls.count = after", "for_ms": 5.0}]
        }
    },
)
def test_lost_update_with_its_schedule():
    test_lost_update()


@pytest.mark.race(schedule="a file")
def test_with_no_schedule():
    pass


@pytest.mark.race(repetitions=3)
def test_misspelt():
    pass


@pytest.fixture
def broken():
    raise OSError("cannot begin")


@pytest.mark.race(reps=3)
def test_without_a_setup(broken):
    pass
"""


@pytest.fixture
def own_tests(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(test_own=OWN_TESTS)
    return pytester


WITHOUT_SCENARIOS = ("-k", "test_own", "--race-record", "record.db")


@pytest.mark.slow
def test_marked_tests_are_repeated_in_workers(own_tests: pytest.Pytester) -> None:
    result = run_alone(own_tests, "-m", "race", *WITHOUT_SCENARIOS)
    outcomes = result.parseoutcomes()
    assert (outcomes["passed"], outcomes["failed"], outcomes["skipped"]) == (2, 5, 1)
    result.stdout.fnmatch_lines(
        [
            "failed * of 400 repetitions; the smallest that fails:",
            "failed: AssertionError: assert 1 == 2 at test_lost_update: assert Box.count == 2",
            "replay: race replay * --test test_own.py::test_lost_update",
            "failed 1 of 1 repetitions; the smallest that fails:",
            "*interleaving.stalls[[]0[]] = * in Box.add at `cls.count = after`*",
            "test_own.py::test_with_no_schedule: `schedule` of pytest.mark.race is a dict*",
            "test_own.py::test_misspelt: pytest.mark.race takes child_processes, faults, *",
        ]
    )
    result.stdout.fnmatch_lines(["3 of 3 repetitions are void: its setup failed: OSError: *"])
    result.stdout.no_fnmatch_line("*Traceback*")


def test_every_selected_test_is_repeated_with_race(own_tests: pytest.Pytester) -> None:
    options = ("--race", "--race-reps", "3", "--race-record", "record.db", "-n", "2")
    result = run_alone(own_tests, *options, "-k", "parameters or unmarked")
    result.assert_outcomes(passed=3)
    with closing(sqlite3.connect(own_tests.path / "record.db")) as record:
        rows = record.execute(
            "SELECT scenario, count(*) FROM trials JOIN series ON series.id = "
            "series GROUP BY scenario ORDER BY scenario"
        ).fetchall()
    assert rows == [
        ("test_own.py::TestInAClass::test_unmarked", 3),
        ("test_own.py::test_with_parameters[1]", 3),
        ("test_own.py::test_with_parameters[2]", 3),
    ]


def test_without_the_option_they_are_tests_like_any_other(own_tests: pytest.Pytester) -> None:
    result = run_alone(own_tests, "-k", "unmarked or parameters")
    result.assert_outcomes(errors=3)


def test_without_a_client_only_marked_tests_are_run(
    own_tests: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = run(own_tests, "-m", "race", "--collect-only", "-q")
    listed = [line for line in result.outlines if "::" in line]
    assert len(listed) == 8
    assert all(line.startswith("test_own.py::") for line in listed)
    result.stderr.fnmatch_lines(["race: openhands-sdk is not installed: *"])
