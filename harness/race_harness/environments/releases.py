"""The releases of openhands-sdk and of its server on the package index, with their dates."""

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from packaging.utils import canonicalize_version
from packaging.version import InvalidVersion, Version
from pypi_simple import NoSuchProjectError, PyPISimple
from pypi_simple.errors import UnsupportedContentTypeError, UnsupportedRepoVersionError

from race_harness.environments.package import PACKAGE, WITH_SERVER, WORKSPACE
from race_harness.environments.recipe import PLUS_SERVER, Recipe
from race_harness.model.errors import ClientUnavailable, OutOfReach

INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
"""Environment variables that may name the index; the first one that is set counts."""

_TIMEOUT = 10.0
"""Seconds the index has to accept the connection, and again for each wait during its answer."""

# A release's files arrive one after the other, and an index may round their times.
_GRACE = timedelta(minutes=1)


class NoSuchRelease(ClientUnavailable):
    """The index answers, and has no release of that version."""


@dataclass(frozen=True)
class Published:
    """One release as the index lists it."""

    version: Version
    uploaded: datetime | None
    """When its newest file arrived; None if the index does not say."""
    yanked: bool
    package: str = PACKAGE

    def recipe(self) -> Recipe:
        """How to install it; raises `ClientUnavailable` when the index gives no upload time."""
        return Recipe(
            key=release_key(self.version),
            title=self._title,
            exclude_newer=self._dated() + _GRACE,
            stage=lambda _: [self._requirement],
        )

    def recipe_for_tests(self, requirements: Sequence[str]) -> Recipe:
        """With server, tools and workspace of the same version, pytest, and these requirements.

        Raises what `recipe_with_server` raises.
        """
        beside = []
        # Not every release has a workspace.
        with suppress(NoSuchRelease):
            beside.append(find_release(self.version, WORKSPACE)._requirement)
        return self.recipe_with_server().for_tests(requirements, beside)

    def recipe_with_server(self) -> Recipe:
        """How to install it with the server of the same version.

        Raises `NoSuchRelease` when there is none, and `ClientUnavailable` as `recipe` does or when
        the index does not answer.
        """
        others = [find_release(self.version, name) for name in WITH_SERVER if name != PACKAGE]
        parts = [self, *others]
        return Recipe(
            key=release_key(self.version, with_server=True),
            title=f"{self._title} with its server",
            # The parts are uploaded minutes apart, and each has to be there.
            exclude_newer=max(part._dated() for part in parts) + _GRACE,
            stage=lambda _: [part._requirement for part in parts],
        )

    @property
    def _title(self) -> str:
        return f"{self.package} {self.version}"

    @property
    def _requirement(self) -> str:
        return f"{self.package}=={self.version}"

    def _dated(self) -> datetime:
        if self.uploaded is None:
            raise ClientUnavailable(
                f"the index does not tell when {self._title} was uploaded, so its "
                f"dependencies cannot be dated: set {INDEX_VARIABLES[0]} to an index that does"
            )
        return self.uploaded


def release_key(version: Version, *, with_server: bool = False) -> str:
    """The key of a release's environment: equal for equal versions, `1.10` and `1.10.0`."""
    return f"release-{canonicalize_version(version)}{PLUS_SERVER if with_server else ''}"


def configured_index(environ: Mapping[str, str] = os.environ) -> str | None:
    """The index that the user named in a variable, as `URL` or `NAME=URL`; None without one."""
    return next((environ[name] for name in INDEX_VARIABLES if environ.get(name)), None)


def published(package: str = PACKAGE) -> list[Published]:
    """Every release of a package on the index, newest first.

    Raises `OutOfReach` when the index does not answer, or not with such a list, and
    `ClientUnavailable` when it has no such package.
    """
    with _open_index() as index:
        shown = index_address()
        try:
            page = index.get_project_page(package, timeout=_TIMEOUT)
        except NoSuchProjectError:
            raise ClientUnavailable(
                f"the package index {shown} has no {package}: set {INDEX_VARIABLES[0]} to one "
                "that does"
            ) from None
        # Whatever goes wrong on the way there is an OSError.
        except (OSError, UnsupportedContentTypeError, UnsupportedRepoVersionError) as err:
            raise OutOfReach(
                f"the package index {shown} does not answer ({_reason(err)}): check the network "
                f"or {INDEX_VARIABLES[0]}; releases that were used before need no index"
            ) from err

    files: dict[Version, list[tuple[datetime | None, bool]]] = {}
    for file in page.packages:
        if file.package_type not in ("wheel", "sdist") or file.version is None:
            continue
        try:
            version = Version(file.version)
        except InvalidVersion:
            continue
        files.setdefault(version, []).append((file.upload_time, file.is_yanked))
    return [
        Published(
            version,
            uploaded=max((time for time, _ in files[version] if time), default=None),
            yanked=all(yanked for _, yanked in files[version]),
            package=package,
        )
        for version in sorted(files, reverse=True)
    ]


def find_release(version: Version, package: str = PACKAGE) -> Published:
    """The release of that version; raises `NoSuchRelease` when the index lacks it."""
    releases = published(package)
    for release in releases:
        if release.version == version:
            return release
    newest = f"; the newest is {releases[0].version}" if releases else ""
    way_out = "" if package == PACKAGE else ": name another one, or run against the fake server"
    raise NoSuchRelease(f"no release '{version}' of {package} on the index{newest}{way_out}")


def candidates() -> list[Published]:
    """The releases `latest` may mean, newest first: neither yanked nor pre-releases.

    Raises `ClientUnavailable` when there is none.
    """
    final = [r for r in published() if not r.yanked and not r.version.is_prerelease]
    if not final:
        raise ClientUnavailable(f"the index has no final release of {PACKAGE}: name a version")
    return final


def index_address() -> str:
    """The index in use, without the user and password that its address may carry."""
    with _open_index() as index:
        parts = urlsplit(index.endpoint)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _open_index() -> PyPISimple:
    address = configured_index()
    if address is None:
        return PyPISimple()
    # For uv the name of an index may precede its address.
    return PyPISimple(endpoint=re.sub(r"\A[\w-]+=", "", address))


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    return f"status {response.status_code}" if response is not None else type(error).__name__
