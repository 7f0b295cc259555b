"""Commits between two revisions, of repositories made on the spot."""

import subprocess
from pathlib import Path

import pytest

from race_harness.environments.history import Commit, Repository
from race_harness.model.errors import ClientUnavailable, UsageError

from .fake_package import FakePackage, commit_all


@pytest.fixture
def root(package: FakePackage) -> Path:
    return package.directory.parent


def git(root: Path, *arguments: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.invalid")
    command = ["git", "-C", str(root), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def change(root: Path, package: FakePackage, flavour: str, subject: str) -> str:
    package.flavour(flavour)
    return commit_all(root, subject)


def test_a_chain_has_all_that_is_to_be_known_of_each_commit(
    root: Path, package: FakePackage
) -> None:
    first = commit_all(root, "first")
    second = change(root, package, "bitter", "taste of \N{SNOWMAN} (#12)\n\nAnd more.")
    (root / "README").write_text("of no import")
    third = commit_all(root, "tell of it")
    for place in (root, package.directory, root / ".git"):
        repository = Repository(place)
        chain = repository.chain(first, third)
        assert [commit.sha for commit in chain] == [first, second, third]
        assert [commit.subject for commit in chain] == [
            "first",
            "taste of \N{SNOWMAN} (#12)",
            "tell of it",
        ]
        assert [commit.parents for commit in chain] == [(), (first,), (second,)]
        assert [commit.pull_request for commit in chain] == [None, 12, None]
        assert chain[1].date[:2] == "20"
        # The last one leaves the package alone.
        assert chain[0].tree != chain[1].tree == chain[2].tree
        assert repository.client(chain[1]) == f"{place}@{second}"
    whole = repository.chain(first, third, whole=True)
    assert len({commit.tree for commit in whole}) == 3


def test_the_work_tree_is_left_alone(root: Path, package: FakePackage) -> None:
    first = commit_all(root, "first")
    second = change(root, package, "bitter", "second")
    package.flavour("uncommitted")
    (root / "untracked").write_text("")
    before = git(root, "status", "--porcelain"), git(root, "worktree", "list")
    Repository(root).chain(first, second)
    assert (git(root, "status", "--porcelain"), git(root, "worktree", "list")) == before


def test_a_merge_is_one_step_and_can_be_looked_into(root: Path, package: FakePackage) -> None:
    first = commit_all(root, "first")
    main = git(root, "branch", "--show-current")
    git(root, "checkout", "-q", "-b", "side")
    sour = change(root, package, "sour", "sour")
    sweet = change(root, package, "sweet", "sweet")
    git(root, "checkout", "-q", main)
    (root / "README").write_text("meanwhile")
    meanwhile = commit_all(root, "meanwhile")
    git(root, "merge", "-q", "--no-ff", "-m", "Merge pull request #34 from side", "side")
    repository = Repository(root)
    merge = repository.resolve("HEAD")
    chain = repository.chain(first, merge)
    assert [commit.sha for commit in chain] == [first, meanwhile, merge]
    assert chain[-1].parents == (meanwhile, sweet)
    assert chain[-1].pull_request == 34
    base = repository.merge_base(*chain[-1].parents)
    assert [commit.sha for commit in repository.chain(base, sweet)] == [first, sour, sweet]


def test_which_commits_touch_a_path(root: Path, package: FakePackage) -> None:
    first = commit_all(root, "first")
    second = change(root, package, "bitter", "second")
    (root / "README").write_text("of no import")
    third = commit_all(root, "third")
    repository = Repository(root)
    assert repository.touching(first, third, ["openhands-sdk"]) == {second}
    assert repository.touching(first, third, ["openhands-sdk", "README"]) == {second, third}
    assert repository.touching(first, third, ["elsewhere"]) == set()
    with pytest.raises(UsageError, match="--paths"):
        repository.touching(first, third, [":(nonsense)x"])


def test_who_descends_from_whom(root: Path, package: FakePackage) -> None:
    first = commit_all(root, "first")
    second = change(root, package, "bitter", "second")
    git(root, "checkout", "-q", "--orphan", "other")
    alone = commit_all(root, "without a past")
    repository = Repository(root)
    assert repository.is_ancestor(first, second)
    assert not repository.is_ancestor(second, first)
    assert not repository.is_ancestor(first, alone)
    with pytest.raises(UsageError, match="no common history"):
        repository.merge_base(first, alone)


def test_what_is_no_repository_or_revision(root: Path, tmp_path: Path) -> None:
    with pytest.raises(ClientUnavailable, match="is no git repository"):
        Repository(tmp_path)
    first = commit_all(root, "first")
    with pytest.raises(ClientUnavailable, match="no revision 'nowhere'"):
        Repository(root).resolve("nowhere")
    (root / "openhands-sdk").rename(root / "elsewhere")
    second = commit_all(root, "moved")
    with pytest.raises(ClientUnavailable, match="has no openhands-sdk"):
        Repository(root).chain(first, second)


@pytest.mark.parametrize(
    ("subject", "number"),
    [
        ("fix: wait for it (#1832)", 1832),
        ("fix: what (#12) broke (#34) ", 34),
        ("Merge pull request #56 from someone/branch", 56),
        ("revert (#12) for now", None),
        ("Release v1.0.0", None),
    ],
)
def test_the_number_of_the_pull_request(subject: str, number: int | None) -> None:
    assert Commit("", (), "", subject, "").pull_request == number
