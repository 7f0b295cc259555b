"""What lies between two ends: releases of the index, or commits of a repository."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from packaging.version import InvalidVersion, Version

from race_harness.bisect.bisecting import Kind
from race_harness.bisect.judged import Point
from race_harness.environments.history import Commit, Repository
from race_harness.environments.releases import NoSuchRelease, Published, candidates, published
from race_harness.model.errors import UsageError


@dataclass(frozen=True)
class Range:
    """Clients in order, older ones first."""

    points: Sequence[Point]
    preferred: frozenset[int] = frozenset()
    """Positions where the change is expected."""
    left_out: Sequence[tuple[str, str]] = ()
    """Clients between the ends that are not tried, each with the reason."""
    notes: Sequence[str] = ()
    """What people should know about how the range was made."""
    commits: Mapping[str, Commit] = field(default_factory=dict)
    """By client; empty for releases."""


def release_range(good: str, bad: str, kind: Kind) -> Range:
    """The releases from one to the other, by version.

    Raises:
        UsageError: an end is no version, or they are the wrong way round.
        ClientUnavailable: the index does not answer, or lacks an end.
    """
    releases = {release.version: release for release in published()}
    ends = [_release(name, releases) for name in (good, bad)]
    older, newer = _in_order(ends, [good, bad], kind)
    between = [releases[version] for version in sorted(releases) if older <= version <= newer]
    reasons = {
        release.version: _left_out(release, pre=older.is_prerelease or newer.is_prerelease)
        for release in between
        if release.version not in ends
    }
    return Range(
        points=[
            Point(str(release.version), f"release {release.version}", str(release.version))
            for release in between
            if not reasons.get(release.version)
        ],
        left_out=[(str(version), reason) for version, reason in reasons.items() if reason],
    )


def commit_range(
    repository: Repository,
    good: str,
    bad: str,
    kind: Kind,
    *,
    paths: Sequence[str] = (),
    whole: bool = False,
) -> Range:
    """The commits from one to the other, along the first parents, that change the package.

    If neither descends from the other, the older end is the newest commit from which both descend,
    as with `git bisect`. Commits that touch one of `paths` are preferred. `whole`: not the package
    alone counts, since the server is of the same commit.

    Raises:
        UsageError: the ends are the wrong way round, or nothing between them changes the package.
        ClientUnavailable: there is no such revision, or no package in it.
    """
    shas = [repository.resolve(revision) for revision in (good, bad)]
    notes = []
    if repository.is_ancestor(shas[1], shas[0]):
        ages = [1, 0]
    elif repository.is_ancestor(shas[0], shas[1]):
        ages = [0, 1]
    else:
        ages = [repository.committed_at(sha) for sha in shas]
    (_, older), (_, newer) = sorted(zip(ages, shas, strict=True))
    _in_order(ages, [good, bad], kind)
    base = repository.merge_base(older, newer)
    if base != older:
        named = {shas[0]: good, shas[1]: bad}
        notes.append(
            f"{named[newer]} does not descend from {named[older]}: the range begins at "
            f"{base[:9]}, where their ways part"
        )
    found = _commit_range(repository, base, newer, paths, whole)
    if len(found.points) < 2:
        raise UsageError(
            f"no commit from {good} to {bad} changes the package: there is nothing to bisect"
        )
    return replace(found, notes=[*notes, *found.notes])


def merged_range(
    repository: Repository, merge: Commit, paths: Sequence[str] = (), *, whole: bool = False
) -> Range | None:
    """The commits that a merge brought in, from where they branched off; None if they do not
    change the package, or the commit is no merge of two."""
    if len(merge.parents) != 2:
        return None
    mainline, brought = merge.parents
    base = repository.merge_base(mainline, brought)
    found = _commit_range(repository, base, brought, paths, whole)
    return found if len(found.points) > 1 else None


def _commit_range(
    repository: Repository, older: str, newer: str, paths: Sequence[str], whole: bool
) -> Range:
    chain = repository.chain(older, newer, whole=whole)
    # A commit that leaves the package alone is the same client under another name.
    kept = chain[:1] + [commit for before, commit in pairwise(chain) if commit.tree != before.tree]
    touching = repository.touching(older, newer, paths) if paths else set()
    return Range(
        points=[
            Point(repository.client(commit), f"tree {commit.tree}", _label(commit))
            for commit in kept
        ],
        preferred=frozenset(n for n, commit in enumerate(kept) if commit.sha in touching),
        notes=[f"{len(chain) - 1} commits, {len(kept) - 1} of them change the package"],
        commits={repository.client(commit): commit for commit in kept},
    )


def _label(commit: Commit) -> str:
    return commit.sha[:9]


def _release(name: str, releases: Mapping[Version, Published]) -> Version:
    if name == "latest":
        return candidates()[0].version
    try:
        version = Version(name)
    except InvalidVersion:
        raise UsageError(
            f"'{name}' is no release: give a version of openhands-sdk; commits need --repo PATH"
        ) from None
    if version not in releases:
        raise NoSuchRelease(f"no release '{name}' of openhands-sdk on the index")
    return version


def _left_out(release: Published, *, pre: bool) -> str:
    if release.yanked:
        return "yanked"
    return "a pre-release" if release.version.is_prerelease and not pre else ""


def _in_order[Age: (Version, int)](
    ages: Sequence[Age], names: Sequence[str], kind: Kind
) -> tuple[Age, Age]:
    """The good end and the bad one, the older first.

    When the search is for the first good one, the older must be the bad one, so their order on the
    command line does not matter.
    """
    good, bad = ages
    if good == bad:
        raise UsageError(f"{names[0]} and {names[1]} are the same: there is nothing between them")
    if kind == "first-bad" and bad < good:
        raise UsageError(
            f"{names[1]}, the bad one, is older than {names[0]}: to look for the first good one "
            "add --fixed"
        )
    return min(good, bad), max(good, bad)
