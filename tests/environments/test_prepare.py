"""Environments of a small package, really built."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from race_harness.environments import prepare
from race_harness.environments.cache import cache_root
from race_harness.model.errors import ClientUnavailable

from .fake_package import FakePackage, add_server, commit_all

ROOT = Path(__file__).parents[2]
BUILDER = """
import sys
from race_harness.environments import prepare
print(prepare(sys.argv[1], progress=lambda line: print(line, flush=True)).path)
"""


# Holds a lock until its standard input is closed.
HOLDER = """
import sys, filelock
with filelock.FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def say(python: Path, code: str) -> str:
    command = [os.fspath(python), "-I", "-c", code]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def finished(home: Path) -> list[Path]:
    return sorted(path for path in home.glob("*") if path.name != ".building")


def unfinished(home: Path) -> list[Path]:
    return [path for path in home.glob(".building/*") if path.is_dir()]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def start_builder(client: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", BUILDER, str(client)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def test_a_checkout_is_built_once_for_each_content(package: FakePackage, home: Path) -> None:
    lines: list[str] = []
    first = prepare(str(package.directory.parent), progress=lines.append)
    assert lines == [f"installing openhands-sdk from {package.directory.parent}"]
    assert first.client == str(package.directory.parent)
    assert first.resolved_version.startswith("1.43.1+tree.")
    assert finished(home) == [first.path]
    assert unfinished(home) == []

    facts = (
        "import flavour as f, sys, platform as p; print(f.NAME, sys.prefix, p.python_version())"
    )
    assert say(first.python, facts) == f"plain {first.path} {first.interpreter}"
    # Not a link into the checkout.
    package.flavour("other")
    assert say(first.python, "import flavour; print(flavour.NAME)") == "plain"
    # Scripts find their interpreter after the move from where they were installed.
    uvicorn = [str(first.path / "bin" / "uvicorn"), "--version"]
    assert "uvicorn" in subprocess.run(uvicorn, check=True, capture_output=True, text=True).stdout

    metadata = json.loads((first.path / "environment.json").read_text())
    assert metadata["version"] == first.resolved_version
    assert metadata["interpreter"] == first.interpreter
    assert {"openhands-sdk", "fastapi", "uvicorn", "websockets"} <= set(metadata["packages"])
    assert not {"pytest", "pip", "race-harness"} & set(metadata["packages"])

    second = prepare(str(package.directory))
    assert second.path != first.path
    package.flavour("plain")
    assert prepare(str(package.directory)).path == first.path
    assert package.builds() == 2


@pytest.mark.slow
def test_a_revision(package: FakePackage, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sha = commit_all(package.directory.parent, "first")
    package.flavour("uncommitted")
    client = f"{package.directory.parent}@HEAD"
    environment = prepare(client)
    assert environment.resolved_version == f"1.43.1+g{sha[:9]}"
    assert say(environment.python, "import flavour; print(flavour.NAME)") == "plain"
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9")
    assert prepare(client) == environment
    assert package.builds() == 1


@pytest.mark.slow
def test_the_server_of_the_same_tree_comes_into_an_environment_of_its_own(
    package: FakePackage, home: Path, tmp_path: Path
) -> None:
    root = package.directory.parent
    tools, _ = add_server(root, tmp_path)
    # As in the monorepo: what it names comes from the same tree, not from the index.
    pyproject = tools.directory / "pyproject.toml"
    text = pyproject.read_text().replace("dependencies = []", 'dependencies = ["openhands-sdk"]')
    pyproject.write_text(text + "[tool.uv.sources]\nopenhands-sdk = { workspace = true }\n")
    alone = prepare(str(root))
    both = prepare(str(root), with_server=True)
    assert both.path != alone.path
    assert both.resolved_version == alone.resolved_version
    assert prepare(str(root), with_server=True, progress=pytest.fail) == both
    code = "import flavour, tools, server; print(flavour.NAME, tools.NAME, server.NAME)"
    assert say(both.python, code) == "plain plain plain"
    assert "-with-server-py" in both.path.name
    metadata = json.loads((both.path / "environment.json").read_text())
    assert metadata["packages"]["openhands-agent-server"] == "1.43.1"


def test_a_server_that_does_not_build_is_one_line(
    package: FakePackage, home: Path, tmp_path: Path
) -> None:
    _, server = add_server(package.directory.parent, tmp_path)
    (server.directory / "backend.py").write_text("raise RuntimeError('boom')\n")
    with pytest.raises(ClientUnavailable) as caught:
        prepare(str(package.directory.parent), with_server=True)
    message = str(caught.value)
    title = f"openhands-sdk from {package.directory.parent} with its server"
    assert message.startswith(
        f"cannot install {title}: Failed to build `openhands-agent-server`: "
    )
    assert message.endswith("RuntimeError: boom")
    assert "\n" not in message
    assert finished(home) == unfinished(home) == []


@pytest.mark.slow
def test_settings_of_a_project_around_the_cache_do_not_leak_in(
    package: FakePackage, home: Path, tmp_path: Path
) -> None:
    """Nor does the package's own wish for neighbours that are not copied with it."""
    pyproject = package.directory / "pyproject.toml"
    text = pyproject.read_text().replace("dependencies = []", 'dependencies = ["uvicorn"]')
    pyproject.write_text(text + '[tool.uv.sources]\nuvicorn = { path = "../not-there" }\n')
    settings = '[tool.uv]\nconstraint-dependencies = ["fastapi<0.0.1"]\n'
    (tmp_path / "pyproject.toml").write_text(settings)
    assert prepare(str(package.directory)).path.parent == home


@pytest.mark.slow
def test_a_damaged_environment_is_built_again(package: FakePackage, home: Path) -> None:
    environment = prepare(str(package.directory))
    metadata = environment.path / "environment.json"
    metadata.write_text(metadata.read_text()[:40])
    assert prepare(str(package.directory)) == environment
    # As when the base interpreter was uninstalled.
    environment.python.unlink()
    environment.python.symlink_to("/no/such/python3")
    assert prepare(str(package.directory)) == environment
    assert say(environment.python, "import flavour; print(flavour.NAME)") == "plain"
    assert package.builds() == 3
    assert finished(home) == [environment.path]
    assert unfinished(home) == []


@pytest.mark.slow
def test_a_killed_build_is_never_taken_for_a_finished_one(
    package: FakePackage, home: Path
) -> None:
    package.gate.touch()
    builder = start_builder(package.directory)
    wait_until(lambda: package.builds() == 1)
    builder.kill()
    builder.wait()
    # What it had started ends with it, so that nothing writes while the leftovers are counted.
    os.killpg(builder.pid, signal.SIGKILL)
    assert finished(home) == []
    assert len(unfinished(home)) == 1

    package.gate.unlink()
    environment = prepare(str(package.directory))
    assert say(environment.python, "import flavour; print(flavour.NAME)") == "plain"
    assert finished(home) == [environment.path]
    assert unfinished(home) == []


@pytest.mark.slow
def test_leftovers_go_only_when_their_builder_is_dead(package: FakePackage, home: Path) -> None:
    workshop = home / ".building"
    for leftover in ("tree-live~abc", "tree-dead~abc"):
        (workshop / leftover).mkdir(parents=True)
    command = [sys.executable, "-c", HOLDER, str(workshop / "tree-live.lock")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, text=True, stdin=pipe, stdout=pipe) as alive:
        assert alive.stdout
        assert alive.stdout.readline() == "held\n"
        prepare(str(package.directory))
        assert [path.name for path in unfinished(home)] == ["tree-live~abc"]


@pytest.mark.slow
def test_a_second_process_waits_for_the_first(package: FakePackage, home: Path) -> None:
    package.gate.touch()
    first = start_builder(package.directory)
    wait_until(lambda: package.builds() == 1)
    second = start_builder(package.directory)
    assert second.stdout
    waiting = second.stdout.readline().strip()
    title = f"openhands-sdk from {package.directory}"
    assert waiting == f"waiting for another process that installs {title}"

    package.gate.unlink()
    built, _ = first.communicate(timeout=30)
    reused, _ = second.communicate(timeout=30)
    assert built.splitlines() == [f"installing {title}", str(finished(home)[0])]
    assert reused.splitlines() == [str(finished(home)[0])]
    assert package.builds() == 1


def test_a_build_that_fails_leaves_one_line_and_nothing_else(
    package: FakePackage, home: Path
) -> None:
    (package.directory / "backend.py").write_text("raise RuntimeError('boom')\n")
    with pytest.raises(ClientUnavailable) as caught:
        prepare(str(package.directory))
    message = str(caught.value)
    title = f"openhands-sdk from {package.directory}"
    assert message.startswith(f"cannot install {title}: Failed to build `openhands-sdk`: ")
    assert message.endswith("RuntimeError: boom")
    assert "\n" not in message
    assert finished(home) == unfinished(home) == []


def test_requirements_that_do_not_go_together(package: FakePackage, home: Path) -> None:
    pyproject = package.directory / "pyproject.toml"
    text = pyproject.read_text().replace("dependencies = []", 'dependencies = ["fastapi<0.0.1"]')
    pyproject.write_text(text)
    backend = package.directory / "backend.py"
    requirement = "Requires-Dist: fastapi<0.0.1\\n"
    backend.write_text(backend.read_text().replace('1.43.1\\n")', f'1.43.1\\n{requirement}")', 1))
    with pytest.raises(ClientUnavailable, match=r"cannot be resolved, .*: Because .*fastapi") as e:
        prepare(str(package.directory))
    assert "\n" not in str(e.value)
    assert finished(home) == unfinished(home) == []


@pytest.mark.slow
def test_an_interrupt_leaves_nothing(
    package: FakePackage, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("race_harness.environments.builder.installed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        prepare(str(package.directory))
    assert finished(home) == unfinished(home) == []
    locks = list(home.glob(".building/*.lock"))
    assert len(locks) == 1
    FileLock(locks[0]).acquire(timeout=0).lock.release()


def test_a_cache_that_cannot_be_written(
    package: FakePackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RACE_HOME", str(tmp_path / "file"))
    with pytest.raises(ClientUnavailable) as caught:
        prepare(str(package.directory))
    assert str(caught.value) == (
        f"cannot write environments to {tmp_path}/file/environments (Not a directory): set "
        "RACE_HOME to a directory that can be written"
    )


def test_where_the_cache_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RACE_HOME", "here")
    assert cache_root() == tmp_path / "here" / "environments"
    monkeypatch.delenv("RACE_HOME")
    assert cache_root().parts[-2:] == ("race-harness", "environments")
