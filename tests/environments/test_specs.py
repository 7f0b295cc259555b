"""Which kind of client an argument names."""

from pathlib import Path

import pytest
from packaging.version import Version

from race_harness.environments.specs import Checkout, Latest, Release, Revision, parse
from race_harness.model.errors import ClientUnavailable


def test_versions_and_latest() -> None:
    assert parse("1.10.0") == Release(Version("1.10.0"))
    assert parse("1.10") == parse("v1.10.0")
    assert parse("2.0rc1") == Release(Version("2.0rc1"))
    assert parse("latest") == Latest()


def test_a_directory_wins_over_a_version_of_the_same_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "1.10.0").mkdir()
    assert parse("1.10.0") == Checkout(Path("1.10.0"))
    assert parse(".") == Checkout(Path())


def test_a_tilde_is_the_home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "sdk").mkdir()
    assert parse("~/sdk") == Checkout(tmp_path / "sdk")
    assert parse("~/sdk@v1") == Revision(tmp_path / "sdk", "v1")


@pytest.mark.parametrize("revision", ["v1.43.1", "origin/main", "HEAD@{1}", "HEAD~2"])
def test_a_revision_follows_the_longest_directory(tmp_path: Path, revision: str) -> None:
    repository = tmp_path / "a@b" / "repo"
    repository.mkdir(parents=True)
    assert parse(f"{repository}@{revision}") == Revision(repository, revision)


def test_a_directory_may_have_an_at_in_its_name(tmp_path: Path) -> None:
    directory = tmp_path / "repo@v1"
    directory.mkdir()
    (tmp_path / "repo").mkdir()
    assert parse(str(directory)) == Checkout(directory)


@pytest.mark.parametrize("client", ["/nope", "./nope", "nope/deeper", "/nope@v1", "~/nope-at-all"])
def test_a_missing_directory(client: str) -> None:
    with pytest.raises(ClientUnavailable, match=r"^no directory '[^@']*'$"):
        parse(client)


@pytest.mark.parametrize("client", ["", "nope", "nope@v1", "1.2.x", "Latest", "@v1"])
def test_what_is_no_client_at_all(client: str) -> None:
    with pytest.raises(ClientUnavailable, match=r"is no client: give a version") as caught:
        parse(client)
    assert "\n" not in str(caught.value)
