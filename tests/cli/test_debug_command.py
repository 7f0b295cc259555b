"""`race debug`: a failing test of one's own, stopped in pdb, with commands that come by a pipe."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cli_rig import RACE, Race, call_process, error_of

TESTS = """
import threading
import time

shared = {"value": 0}


def test_fails():
    shared["value"] = 7
    try:
        raise KeyError("that somebody catches")
    except KeyError:
        caught = 1
    with threading.Lock() as held:
        assert shared["value"] == 8


def test_deadlock():
    a, b = threading.Lock(), threading.Lock()

    def one():
        with a:
            time.sleep(1)
            b.acquire()

    def other():
        with b:
            time.sleep(1)
            a.acquire()

    threads = [threading.Thread(target=body, name=body.__name__) for body in (one, other)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_dies():
    def die():
        answer = 42
        raise LookupError("nobody is there")

    thread = threading.Thread(target=die, name="die")
    thread.start()
    thread.join()
"""


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose tests have failed, once for all."""
    made = tmp_path_factory.mktemp("project")
    (made / "pytest.ini").write_text("[pytest]\n")
    (made / "test_own.py").write_text(TESTS)
    call_process(made, "test", "test_own.py", "--reps", "1", "--jobs", "1")
    return made


@pytest.fixture
def project(failed: Path, tmp_path: Path) -> Path:
    return shutil.copytree(failed, tmp_path, dirs_exist_ok=True)


def failure_of(project: Path, test: str) -> Path:
    (file,) = (project / ".race" / "failures").glob(f"*{test}*.json")
    return file


def debug(
    project: Path, file: Path, test: str, *options: str, says: str = ""
) -> subprocess.CompletedProcess[str]:
    """`says` is typed, a command a line."""
    return subprocess.run(
        [*RACE, "debug", str(file), "--test", f"test_own.py::{test}", *options],
        cwd=project,
        env={**os.environ, "COLUMNS": "200"},
        input=says,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_failed_assertion_stops_where_it_is_raised(project: Path) -> None:
    file = failure_of(project, "test_fails")
    says = "p shared['value'], caught\nw\nimport time; time.sleep(1)\np time.monotonic()\n"
    done = debug(project, file, "test_fails", says=f"{says}p time.monotonic()\n")
    assert (done.returncode, done.stderr) == (0, "")
    told = done.stdout.splitlines()
    assert told[0] == "reproduced: failed"
    assert told[1].startswith("stopped in MainThread, 0.0 ms after the test began: AssertionError")
    assert '-> assert shared["value"] == 8' in told
    assert "(Pdb) (7, 1)" in told
    # Its stack begins at the test, and time does not pass.
    assert "pluggy" not in done.stdout
    assert "*** RuntimeError: time stands still, and this would wait: sleep" in done.stdout
    *_, first, second = (one for one in told if one.startswith("(Pdb) ") and "." in one)
    assert first == second


def test_a_hang_stops_when_it_is_known_and_shows_every_thread(project: Path) -> None:
    file = failure_of(project, "test_deadlock")
    done = debug(project, file, "test_deadlock", says="threads\nthread 2\nl\nthread 9\nc\n")
    assert done.returncode == 0
    assert "stopped in one, 1000." in done.stdout
    assert "ms after the test began: deadlock: every thread waits" in done.stdout
    assert "* 1 one, waits: lock, at test_own.py:24 in test_deadlock.<locals>.one" in done.stdout
    assert "  2 other, waits: lock, at test_own.py:29 in" in done.stdout
    assert "-> a.acquire()" in done.stdout
    assert "no thread '9'" in done.stdout
    assert done.stdout.endswith("the trial has ended: hang\n")


def test_a_thread_that_dies_stops_in_itself(project: Path) -> None:
    file = failure_of(project, "test_dies")
    done = debug(project, file, "test_dies", says="p answer\nc\n")
    assert done.returncode == 0
    assert "stopped in die, 0.0 ms after the test began: LookupError: nobody" in done.stdout
    assert "(Pdb) 42" in done.stdout
    assert done.stdout.endswith("the trial has ended: thread-died\n")


@pytest.mark.slow
def test_another_moment(project: Path) -> None:
    file = failure_of(project, "test_fails")
    done = debug(project, file, "test_fails", "--at", "caught = 1", says="n\np caught\nc\n")
    assert done.returncode == 0
    assert "before test_fails: caught = 1" in done.stdout
    assert "(Pdb) 1" in done.stdout
    done = debug(project, file, "test_fails", "--at", "test_own.py:10#2")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "NOT reached: test_own.py:10#2")
    done = debug(project, file, "test_fails", "--at", "nowhere()")
    assert done.returncode == 2
    assert done.stderr.startswith("race: --at 'nowhere()' names no line of the test's project")


@pytest.mark.slow
def test_what_does_not_fail_as_in_the_file_is_said(project: Path) -> None:
    file = failure_of(project, "test_fails")
    own = project / "test_own.py"
    own.write_text(own.read_text().replace("== 8", "== 7"))
    done = debug(project, file, "test_fails", says="p 1\n")
    assert done.returncode == 1
    assert done.stdout == "NOT reproduced: the file says failed, this run ok, it passes\n"
    # Somebody who names a moment may still look.
    done = debug(project, file, "test_fails", "--at", "caught = 1", says="q\n")
    assert done.returncode == 0
    assert "NOT reproduced" in done.stdout
    assert "stopped in MainThread" in done.stdout


def test_what_cannot_be_debugged_is_one_line(project: Path, race: Race) -> None:
    file = failure_of(project, "test_fails")
    assert "add --test test_own.py::test_fails" in error_of(race("debug", file), 2)
    told = json.loads(file.read_text())
    of_scenario = {**told, "schedule": {**told["schedule"], "scenario": "clean"}}
    (project / "other.json").write_text(json.dumps(of_scenario))
    said = error_of(race("debug", project / "other.json"), 2)
    assert "is a failure of a scenario, and race debug is for tests of your own" in said
    said = error_of(race("debug", file, "--test", "test_own.py::test_fails", "--at", " "), 2)
    assert "is no moment" in said
