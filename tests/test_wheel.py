"""The wheel in an environment of its own, beside a repository whose names are those of ours."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from uv import find_uv_bin

from race_harness.model.fingerprint import fingerprint
from race_harness.model.version import __version__

ROOT = Path(__file__).parents[1]

pytestmark = [pytest.mark.index, pytest.mark.slow]

Run = Callable[..., subprocess.CompletedProcess[str]]


def uv(*arguments: str | Path) -> None:
    """With the index as of the day that this repository names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    day = project["tool"]["uv"]["exclude-newer"]
    environment = {**os.environ, "UV_EXCLUDE_NEWER": day, "UV_PYTHON_DOWNLOADS": "never"}
    subprocess.run([find_uv_bin(), *arguments], check=True, env=environment)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    uv("build", "--quiet", "--wheel", "--python", sys.executable, "--out-dir", folder, ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an environment's programs, with the wheel and no extra but the reference
    client's."""
    environment = tmp_path_factory.mktemp("scratch") / "venv"
    uv("venv", "--quiet", "--python", sys.executable, environment)
    wanted = f"{wheel}[reference]"
    uv("pip", "install", "--quiet", "--python", environment / "bin" / "python", wanted)
    return environment / "bin"


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    """Runs a program of the environment in a repository that has packages of its own called
    `harness` and `scenarios`, which its tests and its conftest.py import."""
    for name in ("harness", "scenarios"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f'OWN = "their {name}"\n')
    (tmp_path / "conftest.py").write_text("import harness\nimport scenarios\n")
    (tmp_path / "test_own.py").write_text(
        "import harness, scenarios\n\n\n"
        "def test_own():\n"
        '    assert (harness.OWN, scenarios.OWN) == ("their harness", "their scenarios")\n'
    )

    def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
        return subprocess.run(
            [installed / program, *arguments],
            cwd=tmp_path,
            env={**environment, "RACE_RECORD": str(tmp_path / "record.db")},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def test_it_takes_one_name(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"race_harness"}
    assert "race_harness/py.typed" in names
    assert "race_harness/scenarios/clean.py" in names
    assert "race_harness/report/templates/report.html.j2" in names


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A wheel and a source archive, as a release has them."""
    folder = tmp_path_factory.mktemp("release")
    uv("build", "--quiet", "--python", sys.executable, "--out-dir", folder, ROOT)
    (wheel,), (archive,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return {"wheel": wheel, "sdist": archive}


def test_an_index_would_take_both(both: dict[str, Path]) -> None:
    uv("tool", "run", "--quiet", "twine", "check", "--strict", *both.values())


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_each_can_be_installed_and_run(kind: str, both: dict[str, Path], tmp_path: Path) -> None:
    environment = tmp_path / "venv"
    uv("venv", "--quiet", "--python", sys.executable, environment)
    python = environment / "bin" / "python"
    uv("pip", "install", "--quiet", "--python", python, f"{both[kind]}[reference]")

    def race(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [environment / "bin" / "race", *arguments],
            cwd=tmp_path,
            env={**os.environ, "RACE_RECORD": str(tmp_path / "record.db")},
            capture_output=True,
            text=True,
            timeout=120,
        )

    assert race("--version").stdout == f"race-harness {__version__}\n"
    done = race("run", "reference:eager", "--reps", "3")
    assert done.returncode == 1, done.stderr
    assert "0 / 3 = 0.0 %" in done.stdout
    (failure,) = (tmp_path / ".race" / "failures").glob("*.json")
    assert race("show", str(failure)).returncode == 0


def test_it_is_the_same_harness(run: Run) -> None:
    program = "from race_harness.model.fingerprint import fingerprint; print(fingerprint())"
    assert run("python", "-P", "-c", program).stdout.split() == [fingerprint()]


def test_a_plain_pytest_is_left_alone(run: Run) -> None:
    done = run("pytest")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout


def test_the_scenarios_run(run: Run) -> None:
    options = ("--race-client", "reference", "--race-reps", "5", "-k", "clean or final-events")
    done = run("pytest", "-m", "race", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"2 passed, .*deselected", done.stdout)


def test_a_command_needs_no_extra_but_those_that_it_names(run: Run) -> None:
    done = run("race", "run", "reference", "--scenario", "clean", "--reps", "5")
    assert done.returncode == 0, done.stdout + done.stderr
    report = run("race", "report")
    assert report.returncode == 2
    assert report.stderr == (
        "race: race report needs jinja2, which is not installed: "
        "pip install 'race-harness[report]'\n"
    )
