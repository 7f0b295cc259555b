"""A file may name releases and the reference; everything else has to be named by somebody."""

from pathlib import Path

import pytest

from race_harness.model.errors import UsageError
from race_harness.model.permission import (
    is_anybodys,
    may_run_client,
    may_run_release,
    may_run_test,
    needed_options,
)

RELEASES = ["1.10.0", "1.58.2", "1.0.0rc1", "installed", "reference", "reference:poll"]
PATHS = [
    "evil.py",
    "evil.py:Client",
    "reference:evil.py",
    "reference:../evil",
    "installed.py",
    ".",
    "..",
    "/x/sdk",
    "~/sdk@main",
    "sdk@1.10.0",
    "1.10.0/",
    "1.10.0@main",
    "1.10.0\n",
    "",
]


@pytest.mark.parametrize("client", RELEASES)
def test_releases_and_the_reference_are_run(client: str) -> None:
    assert is_anybodys(client)
    may_run_client(client, "")
    assert needed_options(client) == ""


@pytest.mark.parametrize("client", PATHS)
def test_a_path_is_not_run_because_a_file_names_it(client: str) -> None:
    assert not is_anybodys(client)
    with pytest.raises(UsageError, match="a file alone may not run: do this") as refused:
        may_run_client(client, "do this")
    assert "\n" not in str(refused.value)
    assert needed_options(client).startswith(" --client ")


def test_a_folder_that_is_called_like_a_release_is_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    may_run_release("1.10.0")
    (tmp_path / "1.10.0").mkdir()
    with pytest.raises(UsageError, match="a folder here has that name"):
        may_run_client("1.10.0", "")
    with pytest.raises(UsageError, match=r"asks for the server of 1\.10\.0"):
        may_run_release("1.10.0")


def test_a_server_is_that_of_a_release() -> None:
    with pytest.raises(UsageError, match=r"asks for the server of \./evil"):
        may_run_release("./evil")


def test_a_test_is_run_only_if_it_is_named() -> None:
    assert may_run_test("a.py::test", "a.py::test") == "a.py::test"
    for named in (None, "b.py::test"):
        with pytest.raises(UsageError, match=r"add --test a\.py::test$"):
            may_run_test("a.py::test", named)


def test_a_command_names_what_it_needs() -> None:
    assert needed_options("latest", "a.py::test[x y]") == " --test 'a.py::test[x y]'"
    assert needed_options("/x/my own.py:C") == " --client '/x/my own.py:C'"
    assert needed_options("a\nb") == " --client 'a\\nb'"
