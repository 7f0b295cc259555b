"""On machines that the harness is not for, each way in is one clear line."""

import subprocess
import sys
from pathlib import Path

import pytest

MACHINES = {
    "macOS": "sys.platform = 'darwin'",
    "Windows": "sys.platform = 'win32'",
    "Linux": "sys.version_info = (3, 11, 2)",
}
HERE = "pass"
COMMAND = "import runpy; sys.argv = ['race', '--version']; runpy.run_module('race_harness.cli')"
PYTEST = "sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', '-p', 'no:xdist', {!r}]))"


def run(folder: Path, machine: str, code: str) -> subprocess.CompletedProcess[str]:
    """In a process that takes itself for another machine, once what is not ours is imported."""
    program = f"import sys, pytest, typer\n{machine}\n{code}"
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, timeout=100
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_one.py").write_text("def test_one():\n    pass\n")
    return tmp_path


@pytest.mark.parametrize("machine", MACHINES)
def test_the_command_is_one_line(project: Path, machine: str) -> None:
    done = run(project, MACHINES[machine], COMMAND)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("race: race-harness needs Linux and Python 3.12 or newer, and this is ")
    assert f"this is {machine} with Python" in line


def test_the_command_runs_here(project: Path) -> None:
    done = run(project, HERE, COMMAND)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("machine", MACHINES)
def test_importing_a_name_says_why(project: Path, machine: str) -> None:
    done = run(project, MACHINES[machine], "from race_harness import Scenario")
    told = done.stderr.splitlines()[-1]
    assert told.startswith("ImportError: race-harness needs Linux and Python 3.12 or newer")
    assert run(project, HERE, "from race_harness import Scenario").returncode == 0


@pytest.mark.parametrize("option", ["-mrace", "--race"])
def test_pytest_is_a_usage_error(project: Path, option: str) -> None:
    done = run(project, MACHINES["macOS"], PYTEST.format(option))
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    told = done.stderr.strip().splitlines()
    assert told == [line for line in told if line.startswith("ERROR: race-harness needs Linux")]
    assert len(told) == 1


def test_pytest_without_it_goes_on(project: Path) -> None:
    """The plugin is loaded wherever it is installed."""
    elsewhere = "from race_harness.model import supported; supported.complaint = lambda: 'no'"
    assert run(project, elsewhere, PYTEST.format("--race")).stderr == "ERROR: no\n\n"
    done = run(project, elsewhere, PYTEST.format("test_one.py"))
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 passed" in done.stdout
