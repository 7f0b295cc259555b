"""Content keys of checkouts, and commits as clients."""

import os
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from race_harness.environments.checkouts import checkout_recipe, take_snapshot
from race_harness.environments.package import declares_package
from race_harness.environments.revisions import revision_recipe
from race_harness.model.errors import ClientUnavailable

from .fake_package import FakePackage, add_server, commit_all


def names(directory: Path) -> set[str]:
    return {str(path) for path in take_snapshot(directory).files}


def test_the_project_name_is_compared_as_the_index_would() -> None:
    assert declares_package(b'[project]\nname = "OpenHands.SDK"')
    for other in (b"", b"[project", b'[project]\nname = "openhands"', b"\xff", b"project = 1"):
        assert not declares_package(other)


def test_the_monorepo_and_its_package_directory_are_the_same_client(package: FakePackage) -> None:
    inner = checkout_recipe(package.directory)
    outer = checkout_recipe(package.directory.parent)
    assert inner.key == outer.key
    assert inner.local.startswith("tree.")
    assert len(inner.local) == len("tree.1a2b3c4d")


def test_the_key_follows_content_name_and_mode(package: FakePackage) -> None:
    keys = [checkout_recipe(package.directory).key]
    module = package.directory / "flavour.py"
    package.flavour("other")
    keys.append(checkout_recipe(package.directory).key)
    module.chmod(0o755)
    keys.append(checkout_recipe(package.directory).key)
    module.rename(package.directory / "taste.py")
    keys.append(checkout_recipe(package.directory).key)
    assert len(set(keys)) == len(keys)

    (package.directory / "taste.py").rename(module)
    module.chmod(0o644)
    package.flavour("plain")
    assert checkout_recipe(package.directory).key == keys[0]


def test_outside_git_the_traces_of_tools_do_not_count(package: FakePackage) -> None:
    before = checkout_recipe(package.directory).key
    for trace in ("__pycache__/a.pyc", ".venv/bin/x", "build/lib/old.py", ".git/HEAD"):
        path = package.directory / trace
        path.parent.mkdir(parents=True)
        path.write_text("x")
    assert checkout_recipe(package.directory).key == before
    (package.directory / "sub" / "build").mkdir(parents=True)
    (package.directory / "sub" / "build" / "module.py").write_text("")
    assert "sub/build/module.py" in names(package.directory)


def test_in_git_ignored_files_do_not_count_and_untracked_ones_do(package: FakePackage) -> None:
    root = package.directory.parent
    (root / ".gitignore").write_text("ignored.py\n")
    outside_git = checkout_recipe(root).key
    commit_all(root, "first")
    assert checkout_recipe(root).key == outside_git

    (package.directory / "ignored.py").write_text("")
    (root / "elsewhere.py").write_text("")
    assert checkout_recipe(root).key == outside_git

    (package.directory / "untracked \N{SNOWMAN}.py").write_text("")
    (package.directory / "flavour.py").unlink()
    assert names(package.directory) == {
        "pyproject.toml",
        "backend.py",
        "untracked \N{SNOWMAN}.py",
    }


def test_a_package_that_a_surrounding_repository_ignores(package: FakePackage) -> None:
    root = package.directory.parent
    (root / ".gitignore").write_text("openhands-sdk/\n")
    commit_all(root, "without the package")
    assert "flavour.py" in names(package.directory)


def test_what_is_written_is_what_was_hashed(package: FakePackage, tmp_path: Path) -> None:
    (package.directory / "run").write_text("#!/bin/sh\n")
    (package.directory / "run").chmod(0o755)
    (tmp_path / "outside.txt").write_text("kept")
    (package.directory / "link.txt").symlink_to(tmp_path / "outside.txt")
    recipe = checkout_recipe(package.directory)
    package.flavour("saved in between")

    copy = tmp_path / "copy"
    copy.mkdir()
    assert recipe.stage(copy) == [f"openhands-sdk @ {copy.as_uri()}"]
    assert (copy / "link.txt").read_text() == "kept"
    assert (copy / "run").stat().st_mode & 0o100
    assert checkout_recipe(copy).key == recipe.key


def test_a_directory_that_is_no_checkout(tmp_path: Path) -> None:
    with pytest.raises(
        ClientUnavailable, match="is not a checkout of openhands-sdk: neither"
    ) as e:
        checkout_recipe(tmp_path)
    assert f"'{tmp_path}'" in str(e.value)


def test_a_revision_is_the_commit_and_not_the_work_tree(
    package: FakePackage, tmp_path: Path
) -> None:
    root = package.directory.parent
    sha = commit_all(root, "first")
    package.flavour("uncommitted")
    recipe = revision_recipe(root, "HEAD")
    assert recipe.key == f"revision-{sha}"
    assert recipe.local == f"g{sha[:9]}"
    assert timedelta(0) < datetime.now(UTC) - (recipe.exclude_newer - timedelta(minutes=1))
    for place in (package.directory, root / ".git"):
        assert revision_recipe(place, sha[:12]).key == recipe.key

    out = tmp_path / "out"
    out.mkdir()
    recipe.stage(out)
    assert (out / "flavour.py").read_text() == "NAME = 'plain'\n"


def test_a_repository_whose_root_is_the_package(package: FakePackage, tmp_path: Path) -> None:
    commit_all(package.directory, "first")
    bare = tmp_path / "bare.git"
    subprocess.run(["git", "clone", "-q", "--bare", package.directory, bare], check=True)
    out = tmp_path / "out"
    out.mkdir()
    revision_recipe(bare, "HEAD").stage(out)
    assert names(out) == names(package.directory)


def test_variables_of_a_git_hook_do_not_lead_astray(
    package: FakePackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = commit_all(package.directory, "first")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "no-index"))
    assert revision_recipe(package.directory, "HEAD").key == f"revision-{sha}"
    assert "flavour.py" in names(package.directory)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory away")
def test_a_repository_of_another_owner_is_read(package: FakePackage) -> None:
    root = package.directory.parent
    (root / ".gitignore").write_text("ignored.py\n")
    sha = commit_all(root, "first")
    (package.directory / "ignored.py").write_text("")
    for path in (root, *root.rglob("*")):
        os.chown(path, 12345, 12345)
    assert revision_recipe(root, "HEAD").key == f"revision-{sha}"
    assert "ignored.py" not in names(package.directory)


@pytest.mark.parametrize("revision", ["xyz", "--help", "HEAD:openhands-sdk", "HEAD~1"])
def test_a_revision_that_the_repository_lacks(package: FakePackage, revision: str) -> None:
    root = package.directory.parent
    commit_all(root, "first")
    with pytest.raises(ClientUnavailable) as caught:
        revision_recipe(root, revision)
    assert str(caught.value).startswith(f"no revision '{revision}' in {root}: ")


def test_a_revision_without_the_package(package: FakePackage) -> None:
    root = package.directory.parent
    shutil.rmtree(package.directory)
    (root / "README").write_text("")
    commit_all(root, "first")
    with pytest.raises(ClientUnavailable, match="has no openhands-sdk: its project is neither"):
        revision_recipe(root, "HEAD")


def test_a_directory_that_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(ClientUnavailable, match=r"is no git repository: fatal: not a git") as e:
        revision_recipe(tmp_path, "HEAD")
    assert "\n" not in str(e.value)


# with the server


def parts(directory: Path) -> list[str]:
    names = ("openhands-sdk", "openhands-tools", "openhands-agent-server")
    return [f"{name} @ {(directory / name).as_uri()}" for name in names]


def test_a_checkout_with_its_server_is_the_same_client_in_another_environment(
    package: FakePackage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = package.directory.parent
    alone = checkout_recipe(root)
    tools, server = add_server(root, tmp_path)
    assert checkout_recipe(root).key == alone.key
    recipe = checkout_recipe(root, with_server=True)
    assert recipe.key.startswith("tree-")
    assert recipe.key.endswith("-with-server")
    assert recipe.key != f"{alone.key}-with-server"
    assert recipe.local == alone.local
    assert recipe.title == f"openhands-sdk from {root} with its server"
    monkeypatch.chdir(package.directory)
    assert checkout_recipe(Path(), with_server=True).key == recipe.key

    copy = tmp_path / "copy"
    copy.mkdir()
    assert recipe.stage(copy) == parts(copy)
    assert (copy / "openhands-tools" / "flavour.py").read_text() == "NAME = 'plain'\n"

    server.flavour("other")
    changed = checkout_recipe(root, with_server=True)
    assert changed.key != recipe.key
    assert changed.local == recipe.local
    tools.flavour("other")
    assert checkout_recipe(root, with_server=True).key != changed.key


def test_a_revision_with_its_server(package: FakePackage, tmp_path: Path) -> None:
    root = package.directory.parent
    _, server = add_server(root, tmp_path)
    sha = commit_all(root, "first")
    server.flavour("uncommitted")
    recipe = revision_recipe(root, "HEAD", with_server=True)
    assert recipe.key == f"revision-{sha}-with-server"
    assert recipe.local == revision_recipe(root, "HEAD").local
    assert revision_recipe(package.directory, "HEAD", with_server=True).key == recipe.key

    out = tmp_path / "out"
    out.mkdir()
    assert recipe.stage(out) == parts(out)
    for name in ("openhands-sdk", "openhands-agent-server"):
        assert (out / name / "flavour.py").read_text() == "NAME = 'plain'\n"


def test_for_tests_a_tree_brings_its_workspace_if_it_has_one(
    package: FakePackage, tmp_path: Path
) -> None:
    root = package.directory.parent
    add_server(root, tmp_path)

    def staged(name: str) -> list[list[str]]:
        commit_all(root, name)
        recipes = [
            checkout_recipe(root, with_server=True, with_workspace=True),
            revision_recipe(root, "HEAD", with_server=True, with_workspace=True),
        ]
        found = []
        for number, recipe in enumerate(recipes):
            out = tmp_path / f"{name} {number}"
            out.mkdir()
            found.append([line.partition(" @ ")[0] for line in recipe.stage(out)])
        return found

    three = ["openhands-sdk", "openhands-tools", "openhands-agent-server"]
    assert staged("without") == [three, three]
    (root / "openhands-workspace").mkdir()
    project = root / "openhands-workspace" / "pyproject.toml"
    project.write_text('[project]\nname = "openhands-workspace"\n')
    assert staged("with") == [[*three, "openhands-workspace"]] * 2


def test_a_checkout_of_the_client_alone_has_no_server(
    package: FakePackage, tmp_path: Path
) -> None:
    root = package.directory.parent
    with pytest.raises(ClientUnavailable) as caught:
        checkout_recipe(root, with_server=True)
    assert str(caught.value) == (
        f"'{root}' has no openhands-tools beside openhands-sdk, which the real server needs: name "
        "a checkout of the whole repository, or run against the fake server"
    )
    _, server = add_server(root, tmp_path)
    # A directory of that name alone does not count.
    (server.directory / "pyproject.toml").write_text('[project]\nname = "something"\n')
    with pytest.raises(ClientUnavailable, match="has no openhands-agent-server beside"):
        checkout_recipe(root, with_server=True)


def test_a_revision_of_the_client_alone_has_no_server(
    package: FakePackage, tmp_path: Path
) -> None:
    root = package.directory.parent
    commit_all(root, "first")
    with pytest.raises(ClientUnavailable, match=r"^revision 'HEAD' of .* has no openhands-tools"):
        revision_recipe(root, "HEAD", with_server=True)
    alone = tmp_path / "alone"
    shutil.copytree(package.directory, alone)
    commit_all(alone, "its own repository")
    with pytest.raises(ClientUnavailable, match="has no openhands-tools beside openhands-sdk"):
        revision_recipe(alone, "HEAD", with_server=True)
