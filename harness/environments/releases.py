"""The releases of openhands-sdk on the package index, with their dates."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from packaging.utils import canonicalize_version
from packaging.version import InvalidVersion, Version
from pypi_simple import NoSuchProjectError, PyPISimple
from pypi_simple.errors import UnsupportedContentTypeError, UnsupportedRepoVersionError

from harness.environments.package import PACKAGE
from harness.environments.recipe import Recipe
from harness.errors import ClientUnavailable

INDEX_VARIABLES = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
"""Environment variables that may name the index, in the order in which they are asked."""

_TIMEOUT = 10.0
"""Seconds the index has to accept the connection, and again for each wait during its answer."""

# A release's files arrive one after the other, and an index may round their times.
_GRACE = timedelta(minutes=1)


@dataclass(frozen=True)
class Published:
    """One release as the index lists it."""

    version: Version
    uploaded: datetime | None
    """When its newest file arrived; None on an index that does not tell."""
    yanked: bool

    def recipe(self) -> Recipe:
        """How to install it; raises `ClientUnavailable` when the index gives no upload time."""
        if self.uploaded is None:
            raise ClientUnavailable(
                f"the index does not tell when {PACKAGE} {self.version} was uploaded, so its "
                f"dependencies cannot be dated: set {INDEX_VARIABLES[0]} to an index that does"
            )
        return Recipe(
            key=release_key(self.version),
            title=f"{PACKAGE} {self.version}",
            exclude_newer=self.uploaded + _GRACE,
            stage=lambda _: f"{PACKAGE}=={self.version}",
        )


def release_key(version: Version) -> str:
    """The key of a release's environment: equal for equal versions, `1.10` and `1.10.0`."""
    return f"release-{canonicalize_version(version)}"


def configured_index(environ: Mapping[str, str] = os.environ) -> str | None:
    """The index the user named in the environment, as `URL` or `NAME=URL`; None for no one."""
    return next((environ[name] for name in INDEX_VARIABLES if environ.get(name)), None)


def published() -> list[Published]:
    """Every release on the index, newest first.

    Raises `ClientUnavailable` when the index does not answer, or not with such a list.
    """
    with _open_index() as index:
        # Without the user and password that the address may carry.
        parts = urlsplit(index.endpoint)
        shown = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        try:
            page = index.get_project_page(PACKAGE, timeout=_TIMEOUT)
        except NoSuchProjectError:
            raise ClientUnavailable(
                f"the package index {shown} has no {PACKAGE}: set {INDEX_VARIABLES[0]} to one "
                "that does"
            ) from None
        # Whatever goes wrong on the way there is an OSError.
        except (OSError, UnsupportedContentTypeError, UnsupportedRepoVersionError) as err:
            raise ClientUnavailable(
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
        )
        for version in sorted(files, reverse=True)
    ]


def find_release(version: Version) -> Published:
    """The release of that version; raises `ClientUnavailable` when the index lacks it."""
    releases = published()
    for release in releases:
        if release.version == version:
            return release
    newest = f"; the newest is {releases[0].version}" if releases else ""
    raise ClientUnavailable(f"no release '{version}' of {PACKAGE} on the index{newest}")


def candidates() -> list[Published]:
    """The releases `latest` may mean, newest first: neither yanked nor pre-releases.

    Raises `ClientUnavailable` when there is none.
    """
    final = [r for r in published() if not r.yanked and not r.version.is_prerelease]
    if not final:
        raise ClientUnavailable(f"the index has no final release of {PACKAGE}: name a version")
    return final


def _open_index() -> PyPISimple:
    address = configured_index()
    if address is None:
        return PyPISimple()
    # uv lets the address of an index be preceded by its name.
    return PyPISimple(endpoint=re.sub(r"\A[\w-]+=", "", address))


def _reason(error: Exception) -> str:
    response = getattr(error, "response", None)
    return f"status {response.status_code}" if response is not None else type(error).__name__
