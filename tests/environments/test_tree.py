"""Odd repositories: their commits are refused with a reason, and nothing that they name is run."""

import os
import subprocess
from pathlib import Path

import pytest

from race_harness.environments import tree
from race_harness.environments.checkouts import checkout_recipe
from race_harness.environments.history import Repository
from race_harness.environments.revisions import revision_recipe
from race_harness.model.errors import ClientUnavailable

from .fake_package import FakePackage, commit_all


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)


def staged(root: Path, target: Path) -> dict[str, str]:
    target.mkdir()
    revision_recipe(root, "HEAD").stage(target)
    found = sorted(path for path in target.rglob("*") if path.is_file())
    return {str(path.relative_to(target)): path.read_text() for path in found}


def test_files_links_and_modes_arrive(package: FakePackage, tmp_path: Path) -> None:
    (package.directory / "a b é").mkdir()
    (package.directory / "a b é" / "one.txt").write_text("one")
    (package.directory / "a b é" / "link").symlink_to("../flavour.py")
    (package.directory / "run.sh").write_text("")
    (package.directory / "run.sh").chmod(0o755)
    root = package.directory.parent
    commit_all(root, "odd")
    files = staged(root, tmp_path / "out")
    assert files["a b é/link"] == files["flavour.py"]
    assert os.readlink(tmp_path / "out" / "a b é" / "link") == "../flavour.py"
    assert os.access(tmp_path / "out" / "run.sh", os.X_OK)
    assert not os.access(tmp_path / "out" / "flavour.py", os.X_OK)


def absolute(directory: Path) -> None:
    (directory / "link").symlink_to("/etc/passwd")


def leading_out(directory: Path) -> None:
    (directory / "link").symlink_to("../../outside")


def line_break(directory: Path) -> None:
    (directory / "a\nb.py").write_text("")


def huge(directory: Path) -> None:
    (directory / "huge.bin").write_bytes(bytes(20_000))


def submodule(directory: Path) -> None:
    git(directory, "init", "-q", "other")
    git(directory / "other", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q",
        "--allow-empty", "-m", "x")  # fmt: skip


ODD = {
    absolute: "the link link leads out of it, to '/etc/passwd'",
    leading_out: "the link link leads out of it, to '../../outside'",
    line_break: r"the name 'a\nb.py' has control characters",
    huge: "huge.bin has 0 MB, over 0",
    submodule: "other is a submodule",
}


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: odd.__name__)
def test_an_odd_commit_is_refused_with_a_reason(
    odd: object, package: FakePackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(odd)
    odd(package.directory)
    monkeypatch.setattr(tree, "_MOST_BYTES", 10_000)
    commit_all(package.directory.parent, "odd")
    with pytest.raises(ClientUnavailable) as caught:
        staged(package.directory.parent, tmp_path / "out")
    assert ODD[odd] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "out").iterdir()) == []


def test_nothing_that_the_repository_names_is_run(package: FakePackage, tmp_path: Path) -> None:
    root, ran = package.directory.parent, tmp_path / "ran"
    (package.directory / ".gitattributes").write_text("*.py filter=mine diff=mine\n")
    commit_all(root, "odd")
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {ran}\ncat\n")
    program.chmod(0o755)
    for name in (
        *("core.fsmonitor", "core.pager", "diff.external", "diff.mine.textconv", "gpg.program"),
        *("filter.mine.smudge", "filter.mine.clean", "alias.log", "tar.tar.command"),
    ):
        git(root, "config", name, f"!{program}" if name.startswith("alias") else str(program))
    git(root, "config", "log.showSignature", "true")
    (package.directory / "flavour.py").touch()
    repository = Repository(root)
    head = repository.resolve("HEAD")
    repository.chain(head, head)
    staged(root, tmp_path / "out")
    checkout_recipe(root)
    assert not ran.exists()


def test_a_subject_with_any_character_is_one(package: FakePackage) -> None:
    root = package.directory.parent
    commit_all(root, "odd")
    git(root, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m",
        "one\x1ftwo\x1b[2J (#7)")  # fmt: skip
    repository = Repository(root)
    head = repository.resolve("HEAD")
    (_, last) = repository.chain(repository.resolve("HEAD^"), head)
    assert last.subject.startswith("one\x1ftwo")
    assert last.pull_request == 7
