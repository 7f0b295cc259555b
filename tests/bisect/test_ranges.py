"""Which clients are between two ends."""

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from packaging.version import Version

from race_harness.bisect.bisecting import Kind
from race_harness.bisect.ranges import Range, commit_range, merged_range, release_range
from race_harness.environments.history import Repository
from race_harness.environments.releases import NoSuchRelease, Published
from race_harness.model.errors import UsageError

VERSIONS = ("1.0.0a1", "1.0.0", "1.1.0", "1.2.0rc1", "1.2.0", "1.10.0")


@pytest.fixture(autouse=True)
def index(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        Published(Version(version), datetime(2026, 1, 1, tzinfo=UTC), yanked=version == "1.1.0")
        for version in VERSIONS
    ]
    monkeypatch.setattr("race_harness.bisect.ranges.published", lambda: found[::-1])


def clients(found: Range) -> list[str]:
    return [point.client for point in found.points]


def test_releases_come_by_version_with_those_that_are_left_out() -> None:
    found = release_range("1.0.0", "1.10", "first-bad")
    assert clients(found) == ["1.0.0", "1.2.0", "1.10.0"]
    assert found.left_out == [("1.1.0", "yanked"), ("1.2.0rc1", "a pre-release")]


def test_an_end_is_tried_whatever_it_is() -> None:
    assert clients(release_range("1.1.0", "1.2.0", "first-bad")) == ["1.1.0", "1.2.0"]
    found = release_range("1.0.0a1", "1.2.0", "first-bad")
    assert clients(found) == ["1.0.0a1", "1.0.0", "1.2.0rc1", "1.2.0"]


@pytest.mark.parametrize(("good", "bad"), [("1.10.0", "1.0.0"), ("1.0.0", "1.10.0")])
def test_of_a_fix_the_ends_may_be_named_either_way(good: str, bad: str) -> None:
    assert clients(release_range(good, bad, "first-good"))[0] == "1.0.0"


@pytest.mark.parametrize(
    ("good", "bad", "complaint"),
    [
        ("1.10.0", "1.0.0", "1.0.0, the bad one, is older than 1.10.0.* --fixed"),
        ("1.0.0", "1.0", "are the same"),
        ("main", "1.0.0", "'main' is no release.*--repo"),
    ],
)
def test_ends_that_are_none(good: str, bad: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        release_range(good, bad, "first-bad")


def test_a_release_that_does_not_exist() -> None:
    with pytest.raises(NoSuchRelease, match=r"no release '9\.9'"):
        release_range("1.0.0", "9.9", "first-bad")


class Made:
    """A repository made on the spot: each commit's package is one word."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "openhands-sdk").mkdir(parents=True)
        (root / "openhands-sdk" / "pyproject.toml").write_text('[project]\nname="openhands-sdk"')
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments: str, when: int = 0) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
        done = subprocess.run(
            ["git", "-C", str(self.root), *who, *arguments],
            env={"PATH": "/usr/bin:/bin", "GIT_COMMITTER_DATE": f"{1_700_000_000 + when} +0000"},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def commit(self, subject: str, *, file: str = "openhands-sdk/word", when: int = 0) -> str:
        (self.root / file).write_text(subject)
        self.git("add", "--all")
        self.git("commit", "-q", "-m", subject, when=when)
        return self.git("rev-parse", "HEAD")

    def range(
        self, good: str, bad: str, kind: Kind = "first-bad", paths: Sequence[str] = ()
    ) -> Range:
        return commit_range(Repository(self.root), good, bad, kind, paths=paths)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path / "repository")


def subjects(found: Range) -> list[str]:
    return [found.commits[point.client].subject for point in found.points]


def test_commits_that_leave_the_package_alone_are_no_candidates(made: Made) -> None:
    first = made.commit("one")
    made.commit("readme", file="README")
    made.commit("two")
    made.commit("again", file="README")
    last = made.commit("three")
    found = made.range(first, last)
    assert subjects(found) == ["one", "two", "three"]
    assert found.points[0].client == f"{made.root}@{first}"
    assert found.points[0].label == first[:9]
    assert list(found.notes) == ["4 commits, 2 of them change the package"]
    # The same trees in the other order: the same clients.
    assert len({point.key for point in found.points}) == 3


def test_commits_that_touch_a_path_are_preferred(made: Made) -> None:
    first = made.commit("one")
    for number in range(4):
        made.commit(f"word {number}")
        last = made.commit(f"other {number}", file="openhands-sdk/other")
    found = made.range(first, last, paths=["openhands-sdk/other"])
    assert [subjects(found)[each] for each in sorted(found.preferred)] == [
        f"other {number}" for number in range(4)
    ]


def test_ends_of_which_neither_descends_from_the_other_begin_where_they_part(made: Made) -> None:
    made.commit("one", when=1)
    parting = made.commit("two", when=2)
    made.git("checkout", "-q", "-b", "release")
    made.commit("released", when=3)
    made.git("checkout", "-q", "main")
    made.commit("three", when=4)
    found = made.range("release", "main")
    assert subjects(found) == ["two", "three"]
    assert f"begins at {parting[:9]}" in found.notes[0]
    with pytest.raises(UsageError, match="--fixed"):
        made.range("main", "release")
    assert subjects(made.range("main", "release", "first-good")) == ["two", "three"]


def test_a_merge_is_one_candidate_and_what_it_brought_others(made: Made) -> None:
    first = made.commit("one")
    made.git("checkout", "-q", "-b", "side")
    made.commit("side 1")
    made.commit("side 2")
    made.git("checkout", "-q", "main")
    made.commit("meanwhile", file="README")
    made.git("merge", "-q", "--no-ff", "-m", "merge side", "side")
    found = made.range(first, "main")
    assert subjects(found) == ["one", "merge side"]
    repository = Repository(made.root)
    inside = merged_range(repository, found.commits[found.points[-1].client])
    assert inside is not None
    assert subjects(inside) == ["one", "side 1", "side 2"]
    # The last of them is the same client as the merge.
    assert inside.points[-1].key == found.points[-1].key
    assert merged_range(repository, inside.commits[inside.points[-1].client]) is None


def test_a_range_without_any_change_of_the_package(made: Made) -> None:
    first = made.commit("one")
    last = made.commit("readme", file="README")
    with pytest.raises(UsageError, match="changes the package: there is nothing to bisect"):
        made.range(first, last)
