"""Failure files and their places: a name for each, and none is put in the place of another."""

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from race_harness.model.errors import UsageError
from race_harness.model.failure import Failure
from race_harness.model.file_names import file_name
from race_harness.model.schedule import Schedule

Same = tuple[Schedule, str, str, str, str, str, tuple[str, ...]]


def failure_name(failure: Failure) -> str:
    """Such as `final-events-1.10.0-late-3f1c2a9b.json`: one name for one schedule and client."""
    return file_name(
        failure.schedule.scenario,
        failure.resolved_version,
        failure.judgement.headline,
        failure.digest[:8],
        ending=".json",
    )


def place_of(failure: Failure, folder: Path) -> Path:
    """Where its file is in a folder, or would be: what holds another failure, or none, stays."""
    return next(
        path for path in _places(failure, folder) if not _is_there(path) or holds(path, failure)
    )


def holds(path: Path, failure: Failure) -> bool:
    """Whether this very failure is in a file, whatever has come to be known of it since."""
    try:
        return _same(Failure.read(path)) == _same(failure)
    except UsageError:
        return False


def export_failures(
    failures: Callable[[], Iterator[Failure]], folder: Path, *, force: bool = False
) -> list[Path]:
    """Write a file for each, once all their places are known to be free; those of one that several
    campaigns met are one file, the last. With `force`, files that are there are replaced.

    Raises:
        UsageError: a file is there already and holds something else, or one cannot be written.
    """
    taken: dict[Path, Same] = {}

    def place(failure: Failure) -> Path:
        same = _same(failure)
        return next(
            path for path in _places(failure, folder) if taken.setdefault(path, same) == same
        )

    for failure in failures():
        path = place(failure)
        if not force and _is_there(path) and not holds(path, failure):
            raise UsageError(
                f"{path} is there already and is not replaced: name another folder, or add --force"
            )
    for failure in failures():
        failure.write(place(failure))
    return [*taken]


def _places(failure: Failure, folder: Path) -> Iterator[Path]:
    first = folder / failure_name(failure)
    yield first
    yield from (first.with_stem(f"{first.stem}-{number}") for number in count(2))


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _same(failure: Failure) -> Same:
    """What makes two of them one and the same."""
    return (
        *(failure.schedule, failure.digest, failure.client, failure.resolved_version),
        *(failure.world, failure.server, failure.judgement.verdicts),
    )
