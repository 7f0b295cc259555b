"""From a client argument to its environment."""

from collections.abc import Callable, Sequence

from race_harness.environments.builder import ClientUnresolvable, obtain
from race_harness.environments.cache import Cache, cache_root
from race_harness.environments.checkouts import checkout_recipe
from race_harness.environments.environment import Environment
from race_harness.environments.installer import base_interpreter
from race_harness.environments.integrity import changed_files
from race_harness.environments.recipe import Recipe, key_for_tests
from race_harness.environments.releases import (
    NoSuchRelease,
    Published,
    candidates,
    find_release,
    release_key,
)
from race_harness.environments.revisions import revision_recipe
from race_harness.environments.specs import Checkout, Latest, Release, Revision, parse
from race_harness.model.errors import ClientUnavailable

_TRIES = 10
"""How many releases `latest` tries: if that many fail, the reason is hardly in each of them."""


def _silent(line: str) -> None:
    pass


def prepare(
    client: str, *, with_server: bool = False, progress: Callable[[str], None] = _silent
) -> Environment:
    """Find or build the environment of a client.

    `client` is a version or `latest`; the directory of a checkout; or REPOSITORY@REVISION.
    `with_server`: the environment, a different one, also holds the real agent server of the same
    release or tree. `progress` gets short lines for people while something takes time, and where
    `latest` is not the newest release. A release whose environment exists needs no package
    index. Raises `ClientUnavailable` with one line when the client, or its server, is missing.
    """
    cache = Cache(cache_root(), base_interpreter())
    match parse(client):
        case Release(version):
            if found := cache.find(release_key(version, with_server=with_server), client):
                return found
            progress(f"resolving {client}")
            recipe = _recipe(find_release(version), with_server)
        case Latest():
            return _prepare_latest(client, cache, progress, with_server)
        case Checkout(path):
            recipe = checkout_recipe(path, with_server=with_server)
        case Revision(repository, revision):
            recipe = revision_recipe(repository, revision, with_server=with_server)
    return obtain(recipe, client, cache, progress)


def _recipe(release: Published, with_server: bool) -> Recipe:
    return release.recipe_with_server() if with_server else release.recipe()


def _prepare_latest(
    client: str, cache: Cache, progress: Callable[[str], None], with_server: bool
) -> Environment:
    progress(f"resolving {client}")
    releases = candidates()[:_TRIES]
    skipped: list[str] = []
    cause = ""
    for release in releases:
        try:
            environment = obtain(_recipe(release, with_server), client, cache, progress)
        except (ClientUnresolvable, NoSuchRelease) as error:
            skipped.append(str(release.version))
            cause = cause or getattr(error, "first_cause", str(error))
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


def prepare_for_tests(
    client: str, requirements: Sequence[str], *, progress: Callable[[str], None] = _silent
) -> Environment:
    """Find or build the environment in which the user's own tests run with a client: SDK,
    server, tools and workspace of that release or tree, pytest, and `requirements`.

    `client` is as for `prepare`, without `latest`; a release whose environment exists needs no
    package index. Raises `ClientUnavailable`.
    """
    cache = Cache(cache_root(), base_interpreter())
    match parse(client):
        case Latest():
            raise ClientUnavailable("tests need a release by its version: name it, such as 1.58.2")
        case Release(version):
            if found := cache.find(key_for_tests(release_key(version), requirements), client):
                return found
            progress(f"resolving {client}")
            recipe = find_release(version).recipe_for_tests(requirements)
        case Checkout(path):
            recipe = checkout_recipe(path, with_server=True, with_workspace=True)
            recipe = recipe.for_tests(requirements)
        case Revision(repository, revision):
            recipe = revision_recipe(repository, revision, with_server=True, with_workspace=True)
            recipe = recipe.for_tests(requirements)
    return obtain(recipe, client, cache, progress)


def mended(
    found: Environment,
    again: Callable[[], Environment],
    progress: Callable[[str], None] = _silent,
) -> bool:
    """Build an environment again if its files differ from the installed ones; return whether it
    was rebuilt.

    `again` prepares it as before. Raises `ClientUnavailable` where that fails, or now gives a
    different environment.
    """
    changed = changed_files(found.path)
    if not changed:
        return False
    about = (
        f"the environment of {found.client} is damaged ({len(changed)} files are not as they were "
        f"installed, such as {changed[0]})"
    )
    progress(f"{about}: it is built again")
    Cache.drop(found.path)
    try:
        built = again()
    except ClientUnavailable as error:
        raise ClientUnavailable(f"{about} and cannot be built again: {error}") from error
    if built.path != found.path:
        raise ClientUnavailable(f"{about}, and it has changed since: try once more")
    return True
