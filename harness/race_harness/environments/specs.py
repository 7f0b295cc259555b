"""What a client argument means."""

from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from race_harness.environments.package import PACKAGE
from race_harness.model.errors import ClientUnavailable


@dataclass(frozen=True)
class Release:
    """One version on the package index."""

    version: Version


@dataclass(frozen=True)
class Latest:
    """The newest release that can be installed."""


@dataclass(frozen=True)
class Checkout:
    """A directory's present content."""

    path: Path


@dataclass(frozen=True)
class Revision:
    """One commit of a git repository."""

    repository: Path
    revision: str


Spec = Release | Latest | Checkout | Revision


def parse(client: str) -> Spec:
    """Tell which kind of client an argument names; raises `ClientUnavailable` if none.

    An existing directory wins over a version or `latest` of the same spelling. Only the kind is
    settled here: a release may still be unknown, a directory no checkout, a revision missing.
    """
    path = Path(client).expanduser() if client.startswith("~") else Path(client)
    if client and path.is_dir():
        return Checkout(path)
    if revision := _split_revision(client):
        return revision
    if "/" in client or client.startswith((".", "~")):
        raise ClientUnavailable(f"no directory '{_directory_part(client)}'")
    if client == "latest":
        return Latest()
    try:
        return Release(Version(client))
    except InvalidVersion:
        raise ClientUnavailable(
            f"'{client}' is no client: give a version of {PACKAGE}, 'latest', "
            "the directory of a checkout, REPOSITORY@REVISION, or FILE.py of a client of your own"
        ) from None


def _split_revision(client: str) -> Revision | None:
    # Both halves may contain an @ of their own (`a@b/repo`, `HEAD@{1}`): the repository is the
    # longest prefix that exists.
    at = client.rfind("@")
    while at > 0:
        repository = Path(client[:at]).expanduser()
        if repository.is_dir() and client[at + 1 :]:
            return Revision(repository, client[at + 1 :])
        at = client.rfind("@", 0, at)
    return None


def _directory_part(client: str) -> str:
    path, at, revision = client.rpartition("@")
    # An @ before the last separator belongs to the path, unless the revision is a ref such as
    # `origin/main`; nothing can tell the two apart once the directory is missing.
    return path if at and revision and "/" not in revision else client
