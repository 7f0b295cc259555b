"""From a recipe to a finished environment."""

import re
from collections.abc import Callable
from pathlib import Path

from packaging.version import Version

from race_harness.environments.cache import Cache
from race_harness.environments.environment import Environment
from race_harness.environments.installer import (
    NotNow,
    Unresolvable,
    UvFailed,
    create,
    install,
    installed,
    uv_version,
)
from race_harness.environments.package import PACKAGE
from race_harness.environments.recipe import Recipe
from race_harness.model.errors import ClientUnavailable, OutOfReach


class ClientUnresolvable(ClientUnavailable):
    """The client exists, but no set of versions satisfies its requirements."""

    def __init__(self, title: str, cause: Unresolvable) -> None:
        super().__init__(f"{title} cannot be resolved, choose another client: {cause}")
        self.first_cause = cause.first_cause


def obtain(
    recipe: Recipe, client: str, cache: Cache, progress: Callable[[str], None]
) -> Environment:
    """The environment of a recipe, from the cache or built now; see `build_once` for what is
    raised."""

    def build(directory: Path) -> None:
        _build(recipe, cache, directory)

    return build_once(recipe.key, recipe.title, client, cache, progress, build)


def build_once(
    key: str,
    title: str,
    client: str,
    cache: Cache,
    progress: Callable[[str], None],
    build: Callable[[Path], None],
) -> Environment:
    """The environment of a key, from the cache, or as `build` makes it in an empty directory and
    publishes it.

    Of several processes that ask for the same one, a single one builds. Raises
    `ClientUnresolvable`, `OutOfReach` when the index or the disk fails, or `ClientUnavailable` for
    any other reason.
    """

    def on_wait() -> None:
        progress(f"waiting for another process that installs {title}")

    if found := cache.find(key, client):
        return found
    with cache.building(key, on_wait) as directory:
        if found := cache.find(key, client):
            return found
        progress(f"installing {title}")
        try:
            build(directory)
        except Unresolvable as error:
            raise ClientUnresolvable(title, error) from error
        except UvFailed as error:
            # uv names the copy of the sources, which is gone when the user reads this.
            sources = re.escape(f" @ {source_in(directory).as_uri()}") + r"[\w./-]*"
            reason = re.sub(sources, "", str(error))
            unavailable = OutOfReach if isinstance(error, NotNow) else ClientUnavailable
            raise unavailable(f"cannot install {title}: {reason}") from error
        built = cache.find(key, client)
    if built is None:
        raise ClientUnavailable(
            f"the new environment of {title} does not run: check {cache.interpreter.path}"
        )
    return built


def _build(recipe: Recipe, cache: Cache, directory: Path) -> None:
    source = source_in(directory)
    source.mkdir()
    venv = directory / "venv"
    requirements = recipe.stage(source)
    python = create(venv, cache.interpreter)
    install(requirements, python, recipe.exclude_newer, directory)
    packages = installed(python, directory)
    cache.publish(
        recipe.key,
        venv,
        {
            "client": recipe.title,
            "version": _with_local(packages[PACKAGE], recipe.local),
            "interpreter": cache.interpreter.version,
            "exclude_newer": recipe.exclude_newer.isoformat(),
            "uv": uv_version(),
            "packages": packages,
        },
    )


def source_in(directory: Path) -> Path:
    """Where sources lie in the directory of a build."""
    return directory / "source"


def _with_local(version: str, local: str) -> str:
    parts = [part for part in (Version(version).local, local) if part]
    return "+".join((Version(version).public, ".".join(parts))) if parts else version
