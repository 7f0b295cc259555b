"""From a client argument to its environment."""

from collections.abc import Callable

from harness.environments.builder import ClientUnresolvable, obtain
from harness.environments.cache import Cache, cache_root
from harness.environments.checkouts import checkout_recipe
from harness.environments.environment import Environment
from harness.environments.installer import base_interpreter
from harness.environments.releases import candidates, find_release, release_key
from harness.environments.revisions import revision_recipe
from harness.environments.specs import Checkout, Latest, Release, Revision, parse
from harness.errors import ClientUnavailable

_TRIES = 10
"""How many releases `latest` tries: if that many fail, the reason is hardly in each of them."""


def _silent(line: str) -> None:
    pass


def prepare(client: str, *, progress: Callable[[str], None] = _silent) -> Environment:
    """Find or build the environment of a client.

    `client` is a version or `latest`; the directory of a checkout; or REPOSITORY@REVISION.
    `progress` gets short lines for people while something takes time, and where `latest` is not
    the newest release. A release whose environment exists needs no package index. Raises
    `ClientUnavailable` with one line when the client cannot be had.
    """
    cache = Cache(cache_root(), base_interpreter())
    match parse(client):
        case Release(version):
            if found := cache.find(release_key(version), client):
                return found
            progress(f"resolving {client}")
            return obtain(find_release(version).recipe(), client, cache, progress)
        case Latest():
            return _prepare_latest(client, cache, progress)
        case Checkout(path):
            return obtain(checkout_recipe(path), client, cache, progress)
        case Revision(repository, revision):
            return obtain(revision_recipe(repository, revision), client, cache, progress)


def _prepare_latest(client: str, cache: Cache, progress: Callable[[str], None]) -> Environment:
    progress(f"resolving {client}")
    releases = candidates()[:_TRIES]
    skipped: list[str] = []
    cause = ""
    for release in releases:
        try:
            environment = obtain(release.recipe(), client, cache, progress)
        except ClientUnresolvable as error:
            skipped.append(str(release.version))
            cause = cause or error.first_cause
            continue
        if skipped:
            progress(
                f"{client}: {', '.join(skipped)} cannot be resolved ({cause}); "
                f"using {release.version}"
            )
        return environment
    raise ClientUnavailable(
        f"none of the newest {len(releases)} releases can be resolved ({cause}): name an older one"
    )
