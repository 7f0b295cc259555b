"""Failure files and their places: each has a name, and none replaces another."""

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
    """The place of its file in a folder; never that of a file that holds something else."""
    return next(
        path for path in _places(failure, folder) if not _is_there(path) or holds(path, failure)
    )


def holds(path: Path, failure: Failure) -> bool:
    """Whether a file holds this very failure; what was found out about it since may differ."""
    try:
        return _same(Failure.read(path)) == _same(failure)
    except UsageError:
        return False


def export_failures(
    failures: Callable[[], Iterator[Failure]], folder: Path, *, force: bool = False
) -> list[Path]:
    """Write a file for each failure, once all places are known to be free; if several campaigns
    met the same failure, the last one is written. With `force`, existing files are replaced.

    Raises:
        UsageError: a file exists and holds something else, or one cannot be written.
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
                f"{path} exists already and is not replaced: name another folder, or add --force"
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
    """What two failures must have in common to be the same."""
    return (
        *(failure.schedule, failure.digest, failure.client, failure.resolved_version),
        *(failure.world, failure.server, failure.judgement.verdicts),
    )
