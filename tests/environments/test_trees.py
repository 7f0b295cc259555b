"""Files of a client's own tree: a checkout as it is, a commit as it was, of a release none."""

from pathlib import Path

import pytest

from race_harness.environments import prepare_tree
from race_harness.environments.pruning import environments
from race_harness.model.errors import ClientUnavailable, UsageError

from .fake_package import FakePackage, commit_all


@pytest.fixture
def repository(package: FakePackage) -> Path:
    root = package.directory.parent
    (root / "tests").mkdir()
    (root / "tests" / "test_a.py").write_text("# before\n")
    commit_all(root, "before")
    return root


def test_a_checkout_is_where_it_is(repository: Path) -> None:
    assert prepare_tree(str(repository), pytest.fail) == repository.resolve()


def test_a_commit_is_as_it_was_and_copied_once(repository: Path, home: Path) -> None:
    (repository / "tests" / "test_a.py").write_text("# after\n")
    tree = prepare_tree(f"{repository}@HEAD", pytest.fail)
    assert (tree / "tests" / "test_a.py").read_text() == "# before\n"
    assert prepare_tree(f"{repository}@HEAD", pytest.fail) == tree
    inside = prepare_tree(f"{repository / 'openhands-sdk'}@HEAD", pytest.fail)
    assert inside == tree / "openhands-sdk"
    (kept,) = environments(home)
    assert kept.title.startswith(f"files of {repository} at ")
    commit_all(repository, "after")
    later = prepare_tree(f"{repository}@HEAD", pytest.fail)
    assert (later / "tests" / "test_a.py").read_text() == "# after\n"


@pytest.mark.usefixtures("home")
def test_what_has_no_tree_is_one_line(repository: Path) -> None:
    for release in ("1.10.0", "latest"):
        with pytest.raises(
            UsageError, match=f"^{release} is a release, which has no tests"
        ) as said:
            prepare_tree(release, pytest.fail)
        assert "\n" not in str(said.value)
    with pytest.raises(ClientUnavailable, match="no revision 'nowhere'"):
        prepare_tree(f"{repository}@nowhere", pytest.fail)
