"""`--github`: what is annotated, what is not, and what the summary of a job gets."""

from pathlib import Path

import pytest
from cli_rig import Race

SOURCE = """\
import pytest


def helper():
    raise ValueError("50 %")


def test_loses():
    helper()


def test_wins():
    assert True


@pytest.fixture
def broken():
    raise RuntimeError("no server")


def test_has_no_verdict(broken):
    assert True
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "sub" / "test_it.py").write_text(SOURCE)
    return tmp_path


def told(stderr: str) -> list[str]:
    return [line for line in stderr.splitlines() if line.startswith("::")]


@pytest.mark.slow
def test_a_test_that_fails_is_annotated_at_the_line_and_one_that_passes_is_not(
    race_process: Race, project: Path
) -> None:
    summary = project / "summary.md"
    summary.write_text("of another step\n")
    done = race_process(
        *("test", "sub/test_it.py", "-k", "loses or wins", "--reps", "2", "--github"),
        GITHUB_WORKSPACE=str(project),
        GITHUB_STEP_SUMMARY=str(summary),
    )
    assert done.returncode == 1
    (command,) = told(done.stderr)
    start = (
        "::error file=sub/test_it.py,line=5,title=race%3A failed%2C test_it.py%3A%3Atest_loses::"
    )
    assert command.startswith(start)
    assert "ValueError: 50 %25 at helper: raise ValueError" in command
    assert "%0Areplay: race replay " in command
    page = summary.read_text()
    assert page.startswith("of another step\n")
    assert "| `test_it.py::test_loses` | 2 | 0 / 2" in page
    assert "| `test_it.py::test_wins` | 2 | 2 / 2" in page
    assert "```text\nfailed: client installed" in page
    plain = race_process("test", "sub/test_it.py", "-k", "loses", "--reps", "2")
    assert told(plain.stderr) == []


@pytest.mark.slow
def test_what_has_no_verdict_is_an_error_at_the_test(race_process: Race, project: Path) -> None:
    done = race_process("test", "sub/test_it.py", "-k", "verdict", "--reps", "2", "--github")
    assert done.returncode == 1
    (command,) = told(done.stderr)
    assert command.startswith("::error file=sub/test_it.py,line=")
    assert "2 repetitions have no verdict, the first because: its setup failed" in command


@pytest.mark.slow
def test_a_failure_that_does_not_count_is_a_warning(race_process: Race, project: Path) -> None:
    """Here because it is compared with another."""
    done = race_process(
        *("compare", "installed", "installed", "--test", "sub/test_it.py::test_loses"),
        *("--reps", "1", "--github"),
    )
    assert done.returncode == 0
    assert [line.partition(" ")[0] for line in told(done.stderr)] == ["::warning"] * 2


@pytest.mark.usefixtures("ready")
def test_a_scenario_has_no_file(race: Race, tmp_path: Path) -> None:
    run = ("run", "reference:eager", "--reps", "2", "--github")
    done = race(*run, GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"))
    assert done.returncode == 1
    (command,) = told(done.stderr)
    assert command.startswith("::error title=race%3A early%2C final-events::early: client")
    assert "final-events, seed 0" in (tmp_path / "summary.md").read_text()
    passing = race("run", "reference", "--scenario", "clean", "--reps", "2", "--github")
    assert (passing.returncode, told(passing.stderr)) == (0, [])


@pytest.mark.slow
def test_a_soak_tells_of_what_it_kept(race_process: Race, tmp_path: Path) -> None:
    record = tmp_path / "record.db"
    soak = ("soak", "reference:eager", "--scenario", "final-events", "--reps", "2")
    options = ("--github", "--no-confirm", "--record", record)
    done = race_process(*soak, *options, GITHUB_STEP_SUMMARY=str(tmp_path / "summary.md"))
    assert done.returncode == 1, done.stderr
    commands = told(done.stderr)
    assert commands
    assert all(line.startswith("::error title=race%3A early%2C final-e") for line in commands)
    assert "soak " in (tmp_path / "summary.md").read_text()
    tolerant = race_process(*soak, *options, "--fail-under", "0")
    assert tolerant.returncode == 0
    assert {line.partition(" ")[0] for line in told(tolerant.stderr)} == {"::warning"}


def test_why_there_is_no_result_is_told_too(race: Race) -> None:
    done = race("run", "reference", "--scenario", "nope", "--github")
    annotation, error = done.stderr.splitlines()
    assert annotation.startswith("::error title=race::no scenario 'nope'; there are")
    assert error.startswith("race: no scenario 'nope'")


def test_a_sweep_has_no_annotations(race: Race) -> None:
    done = race("run", "reference", "--sweep", "50", "--github")
    assert "leave out --github" in done.stderr
    assert done.returncode == 2


@pytest.mark.usefixtures("ready")
def test_a_summary_that_cannot_be_written(race: Race, tmp_path: Path) -> None:
    options = ("--scenario", "clean", "--reps", "1", "--github")
    done = race("run", "reference", *options, GITHUB_STEP_SUMMARY=str(tmp_path))
    assert done.returncode == 2
    assert "cannot write GITHUB_STEP_SUMMARY" in done.stderr
