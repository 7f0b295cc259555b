"""Releases from the real index."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.version import Version

from race_harness.campaign.resolve import find_tests
from race_harness.environments import prepare, prepare_for_tests
from race_harness.environments.releases import Published, find_release
from race_harness.model.errors import ClientUnavailable
from race_harness.model.schedule import Schedule
from race_harness.workers.selection import Selection


def unresolvable() -> Published:
    """A release that the index lists and does not have. No cache has it either."""
    return replace(find_release(Version("1.11.2")), version=Version("1.11.99"))


@pytest.mark.index
def test_a_release_and_no_index_the_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    # In the user's own cache: the environment is large, and of use to everyone afterwards.
    environment = prepare("1.10.0")
    assert (environment.client, environment.resolved_version) == ("1.10.0", "1.10.0")
    code = "from importlib.metadata import version as v; print(v('openhands-sdk'), v('uvicorn'))"
    asked = [str(environment.python), "-I", "-c", code]
    answer = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    # uvicorn as of January 2026, when this release came out.
    assert answer == ["1.10.0", "0.40.0"]

    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9")
    again = prepare("1.10", progress=pytest.fail)
    assert (again.resolved_version, again.path) == ("1.10.0", environment.path)


@pytest.mark.index
def test_a_release_that_cannot_be_resolved(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = unresolvable()
    monkeypatch.setattr("race_harness.environments.preparing.find_release", lambda _: gone)
    with pytest.raises(ClientUnavailable) as caught:
        prepare("1.11.99")
    message = str(caught.value)
    assert message.startswith("openhands-sdk 1.11.99 cannot be resolved, choose another client: ")
    assert "\n" not in message
    assert [path.name for path in home.iterdir()] == [".building"]


@pytest.mark.index
def test_latest_skips_what_cannot_be_resolved_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    # As if nothing had come between these two, to be spared the build of one more large release.
    newest = [unresolvable(), find_release(Version("1.10.0"))]
    monkeypatch.setattr("race_harness.environments.preparing.candidates", lambda: newest)
    lines: list[str] = []
    environment = prepare("latest", progress=lines.append)
    assert (environment.client, environment.resolved_version) == ("latest", "1.10.0")
    assert lines[0] == "resolving latest"
    assert lines[-1].startswith("latest: 1.11.99 cannot be resolved (")
    assert lines[-1].endswith("); using 1.10.0")

    monkeypatch.setattr("race_harness.environments.preparing.candidates", lambda: newest[:1])
    with pytest.raises(ClientUnavailable, match=r"none of the newest 1 releases can be resolved"):
        prepare("latest")


@pytest.mark.index
def test_a_release_with_its_server_as_of_its_date(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = prepare("1.10.0", with_server=True)
    assert environment.resolved_version == "1.10.0"
    names = ("openhands-sdk", "openhands-tools", "openhands-agent-server")
    code = f"from importlib.metadata import version as v; print(*map(v, {names!r}))"
    asked = [str(environment.python), "-I", "-c", code]
    answer = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    assert answer == ["1.10.0"] * 3
    assert environment.path.name.startswith("release-1.10-with-server-")

    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9")
    assert prepare("1.10", with_server=True, progress=pytest.fail).path == environment.path


@pytest.mark.index
def test_tests_of_ones_own_have_a_client_with_its_server_and_pytest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = prepare_for_tests("1.10.0", ["xmltodict"])
    names = ("openhands-agent-server", "openhands-workspace", "pytest", "xmltodict")
    code = f"from importlib.metadata import version as v; print(*map(v, {names!r}))"
    asked = [str(environment.python), "-I", "-c", code]
    server, workspace, *_ = subprocess.run(
        asked, check=True, capture_output=True, text=True
    ).stdout.split()
    assert (server, workspace) == ("1.10.0", "1.10.0")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://127.0.0.1:9")
    again = prepare_for_tests("1.10", ["xmltodict"], progress=pytest.fail)
    assert again.path == environment.path

    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    file = tmp_path / "test_version.py"
    file.write_text(
        "from importlib.metadata import version\n\n\n"
        "def test_version():\n    assert version('openhands-sdk') == '1.10.0'\n"
    )
    client = find_tests("1.10.0", Selection((str(file),)), ["xmltodict"], pytest.fail)
    with client.workers() as workers:
        workers.wait_ready()
        result, _ = workers.run_whole(Schedule("test_version.py::test_version"))
    assert (client.resolved_version, result.verdicts) == ("1.10.0", ("ok",))


@pytest.mark.index
def test_latest_skips_releases_without_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    unserved = replace(find_release(Version("1.11.2")), version=Version("1.11.2.99"))
    newest = [unserved, find_release(Version("1.10.0"))]
    monkeypatch.setattr("race_harness.environments.preparing.candidates", lambda: newest)
    lines: list[str] = []
    assert prepare("latest", with_server=True, progress=lines.append).resolved_version == "1.10.0"
    assert lines[-1].startswith("latest: 1.11.2.99 cannot be resolved (no release '1.11.2.99' of ")
    assert lines[-1].endswith("); using 1.10.0")


@pytest.mark.index
def test_an_unknown_release() -> None:
    lines: list[str] = []
    with pytest.raises(ClientUnavailable, match=r"^no release '9\.9\.9' of openhands-sdk on the "):
        prepare("9.9.9", progress=lines.append)
    assert lines == ["resolving 9.9.9"]


@pytest.mark.usefixtures("home", "no_index")
@pytest.mark.parametrize("client", ["1.10.0", "latest"])
def test_an_index_that_does_not_answer(client: str) -> None:
    with pytest.raises(ClientUnavailable, match=r"^the package index http://127\.0\.0\.1:9/"):
        prepare(client)
