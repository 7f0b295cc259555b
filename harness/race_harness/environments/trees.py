"""The files of a client's own tree, such as its tests."""

from collections.abc import Callable
from pathlib import Path

from race_harness.environments.cache import Cache, cache_root
from race_harness.environments.installer import base_interpreter
from race_harness.environments.revisions import CommitFiles
from race_harness.environments.specs import Checkout, Revision, parse
from race_harness.model.errors import UsageError

_FILES = "files"


def prepare_tree(client: str, progress: Callable[[str], None]) -> Path:
    """The folder of the tree: a checkout itself; for a commit, a copy of its files in the cache.

    Raises:
        UsageError: the client is a release, which has no tree.
        ClientUnavailable: there is no such client, or the cache cannot be written.
    """
    match parse(client):
        case Checkout(path):
            return path.resolve()
        case Revision(repository, revision):
            return _copied(repository, revision, progress)
    raise UsageError(
        f"{client} is a release, which has no tests: with --test-at-client, name a checkout or "
        "PATH@REVISION"
    )


def _copied(repository: Path, revision: str, progress: Callable[[str], None]) -> Path:
    commit = CommitFiles.of(repository, revision)
    cache, key = Cache(cache_root(), base_interpreter()), f"files-{commit.sha}"
    found = cache.find_folder(key)
    if found is None:
        with cache.building(key, lambda: progress("waiting for another process")) as directory:
            found = cache.find_folder(key)
            if found is None:
                whole = directory / "whole"
                (whole / _FILES).mkdir(parents=True)
                commit.lay_out(whole / _FILES)
                title = f"files of {repository} at {commit.sha[:9]}"
                cache.publish(key, whole, {"client": title, "version": commit.sha})
                found = cache.find_folder(key)
    assert found is not None
    return found / _FILES / commit.inside
