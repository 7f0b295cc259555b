"""What the package index tells, from an index on this machine."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from packaging.version import Version

from race_harness.environments.recipe import key_for_tests
from race_harness.environments.releases import (
    NoSuchRelease,
    candidates,
    configured_index,
    find_release,
    published,
    release_key,
)
from race_harness.model.errors import ClientUnavailable


def wheel(
    version: str, uploaded: str | None, project: str = "openhands_sdk", **more: Any
) -> dict[str, Any]:
    name = f"{project}-{version}-py3-none-any.whl"
    dated = {"upload-time": uploaded} if uploaded else {}
    return {"filename": name, "url": name, "hashes": {}, **dated, **more}


def sdist(version: str, uploaded: str) -> dict[str, Any]:
    name = f"openhands_sdk-{version}.tar.gz"
    return {"filename": name, "url": name, "hashes": {}, "upload-time": uploaded}


class Index:
    """A package index whose files a test sets; each page lists those of its project."""

    def __init__(self) -> None:
        self.files: list[dict[str, Any]] = []
        self.status = 200
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                project = self.path.strip("/").rpartition("/")[2]
                start = project.replace("-", "_")
                found = [file for file in index.files if file["filename"].startswith(start)]
                page = {
                    "meta": {"api-version": "1.1"},
                    "name": project,
                    "versions": [],
                    "files": [{"size": 1, **file} for file in found],
                }
                self.send_response(index.status)
                self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
                self.end_headers()
                self.wfile.write(json.dumps(page).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple"


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    index = Index()
    thread = Thread(target=index.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    yield index
    index.server.shutdown()
    thread.join()
    index.server.server_close()


def test_a_release_is_dated_by_its_newest_file(index: Index) -> None:
    index.files = [
        sdist("1.9.0", "2026-01-21T17:35:05Z"),
        wheel("1.9.0", "2026-01-21T17:35:03Z"),
        wheel("1.10.0", "2026-01-26T00:00:00Z"),
    ]
    newest, older = published()
    assert (newest.version, older.version) == (Version("1.10.0"), Version("1.9.0"))
    assert older.uploaded == datetime(2026, 1, 21, 17, 35, 5, tzinfo=UTC)
    assert older.recipe().exclude_newer == datetime(2026, 1, 21, 17, 36, 5, tzinfo=UTC)


def test_equal_versions_are_one_release(index: Index) -> None:
    index.files = [wheel("1.10.0", "2026-01-26T00:00:00Z")]
    found = find_release(Version("1.10"))
    assert found.recipe().stage(Path()) == ["openhands-sdk==1.10.0"]
    assert found.recipe().key == release_key(Version("v1.10.0.0"))
    assert release_key(Version("1.10")) != release_key(Version("1.1"))


def test_latest_may_be_neither_yanked_nor_a_pre_release(index: Index) -> None:
    date = "2026-01-26T00:00:00Z"
    index.files = [wheel("1.9", date), wheel("2.0rc1", date), wheel("1.8", date)]
    index.files.append(wheel("1.10", date, yanked="broken"))
    assert [str(release.version) for release in candidates()] == ["1.9", "1.8"]
    index.files = index.files[1:2]
    with pytest.raises(ClientUnavailable, match="no final release of openhands-sdk: name a"):
        candidates()


def test_an_unknown_release(index: Index) -> None:
    index.files = [wheel("1.9", "2026-01-26T00:00:00Z"), wheel("1.8", "2026-01-26T00:00:00Z")]
    with pytest.raises(ClientUnavailable) as caught:
        find_release(Version("9.9.9"))
    assert str(caught.value) == (
        "no release '9.9.9' of openhands-sdk on the index; the newest is 1.9"
    )


def test_an_index_without_dates(index: Index) -> None:
    index.files = [wheel("1.9", None)]
    with pytest.raises(ClientUnavailable, match=r"does not tell when openhands-sdk 1\.9 was"):
        find_release(Version("1.9")).recipe()


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, r"has no openhands-sdk: set UV_D"), (503, r"does not answer \(status 503\): check")],
)
def test_an_index_that_refuses(index: Index, status: int, message: str) -> None:
    index.status = status
    with pytest.raises(ClientUnavailable, match=message):
        published()


@pytest.mark.usefixtures("no_index")
def test_an_index_that_is_not_there() -> None:
    with pytest.raises(ClientUnavailable) as caught:
        published()
    message = str(caught.value)
    assert message.startswith("the package index http://127.0.0.1:9/simple/ does not answer (")
    assert "secret" not in message
    assert "\n" not in message


def test_an_index_may_be_given_with_a_name(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    index.files = [wheel("1.9", "2026-01-26T00:00:00Z")]
    monkeypatch.setenv("UV_DEFAULT_INDEX", f"our-mirror={index.url}/")
    assert len(published()) == 1


def test_the_first_variable_that_is_set_names_the_index() -> None:
    assert configured_index({}) is None
    assert configured_index({"PIP_INDEX_URL": "p", "UV_INDEX_URL": ""}) == "p"
    assert configured_index({"PIP_INDEX_URL": "p", "UV_INDEX_URL": "i"}) == "i"
    assert configured_index({"UV_INDEX_URL": "i", "UV_DEFAULT_INDEX": "d"}) == "d"


# with the server

SERVER_PARTS = ("openhands_sdk", "openhands_tools", "openhands_agent_server")


def test_a_server_is_of_the_release_and_dated_by_the_last_that_came(index: Index) -> None:
    """Of 1.35.0 the tools came a minute after the others."""
    seconds = {"openhands_tools": "22:16:11"}
    index.files = [
        wheel(version, f"2026-07-10T{seconds.get(project, '22:15:02')}Z", project)
        for project in SERVER_PARTS
        for version in ("1.35.0", "1.36.0")
    ]
    found = find_release(Version("1.35"))
    recipe = found.recipe_with_server()
    assert recipe.stage(Path()) == [
        "openhands-sdk==1.35.0",
        "openhands-tools==1.35.0",
        "openhands-agent-server==1.35.0",
    ]
    assert recipe.exclude_newer == datetime(2026, 7, 10, 22, 17, 11, tzinfo=UTC)
    assert recipe.title == "openhands-sdk 1.35.0 with its server"
    assert recipe.key == "release-1.35-with-server"
    # The client alone stays where it was.
    assert found.recipe().key == "release-1.35"


@pytest.mark.parametrize("workspace", [True, False])
def test_for_tests_there_is_a_workspace_too_if_the_release_has_one(
    index: Index, workspace: bool
) -> None:
    date = "2026-07-10T22:15:02Z"
    there = (*SERVER_PARTS, "openhands_workspace")
    index.files = [wheel("1.35.0", date, project) for project in there[: 3 + workspace]]
    index.files.append(wheel("1.0", date, "openhands_workspace"))
    found = find_release(Version("1.35"))
    recipe = found.recipe_for_tests(["trio", "requests"])
    with_server = found.recipe_with_server()
    beside = ["openhands-workspace==1.35.0"] * workspace
    assert recipe.stage(Path()) == [
        *with_server.stage(Path()),
        *beside,
        *("pytest", "trio", "requests"),
    ]
    assert recipe.exclude_newer == with_server.exclude_newer
    # Found again without asking the index, in whichever order they are named.
    assert recipe.key == key_for_tests("release-1.35", ["requests", "trio"])
    assert recipe.key not in (found.recipe_for_tests([]).key, with_server.key)


@pytest.mark.parametrize(
    ("there", "message"),
    [
        ((), "of openhands-tools on the index: name another one, or run against the fake server"),
        (
            ("openhands_tools",),
            "of openhands-agent-server on the index; the newest is 1.0: name another one, or run "
            "against the fake server",
        ),
    ],
)
def test_a_release_without_a_server(index: Index, there: tuple[str, ...], message: str) -> None:
    date = "2026-07-10T22:15:02Z"
    index.files = [wheel("1.35", date, project) for project in ("openhands_sdk", *there)]
    index.files.append(wheel("1.0", date, "openhands_agent_server"))
    with pytest.raises(NoSuchRelease) as caught:
        find_release(Version("1.35")).recipe_with_server()
    assert str(caught.value) == f"no release '1.35' {message}"
