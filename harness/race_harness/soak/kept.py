"""The failures that a soak has kept: tries them on the real server, and puts them in order."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from race_harness.campaign.campaign import FAILURES, keep
from race_harness.campaign.kept_files import holds
from race_harness.model.combination import SIM_REAL
from race_harness.model.confirmation import rank
from race_harness.model.evidence import Evidence
from race_harness.model.failure import Failure
from race_harness.store.series import Key, SeriesRecord
from race_harness.story.facts import replay_of

Try = Callable[[Failure, Path], Failure]
"""Tries a failure on the real server and puts the result into its file."""


@dataclass(frozen=True)
class Kept:
    """A failure that was kept, without its happenings."""

    key: Key
    cause: str
    confirmed: str
    """Whether the real server has confirmed it, in words; may be empty."""
    rank: int
    replay: str
    """The command that replays it."""
    verdict: str = ""
    """The gravest verdict."""
    test: str | None = None
    """The user's own test that failed."""
    evidence: tuple[Evidence, ...] = ()


def confirm_all(
    records: Mapping[Key, SeriesRecord],
    keys: Sequence[Key],
    tried: Try,
    failures: Path = FAILURES,
) -> None:
    """Try the failures of these series that have not been tried, and record the results. Their
    files are in the folder `failures`, even if a record names another place."""
    for key in keys:
        for failure, path in records[key].failures():
            if str(SIM_REAL) in failure.confirmed or path is None:
                continue
            if path.parent != failures or not holds(path, failure):
                # The soak was resumed from another folder, the user has tidied up, or the
                # record comes from elsewhere.
                path = keep(failure, failures)
            records[key].failure(tried(failure, path), path)


def ranked(records: Mapping[Key, SeriesRecord], words: Callable[[Failure], str]) -> list[Kept]:
    """All kept failures, those that the real server confirms first."""
    found = [
        Kept(
            key,
            str(failure.cause),
            words(failure),
            rank(failure.confirmed),
            replay_of(failure, path).removeprefix("replay: "),
            failure.judgement.headline,
            failure.schedule.test,
            failure.judgement.evidence,
        )
        for key, record in records.items()
        for failure, path in record.failures()
    ]
    return sorted(found, key=lambda kept: kept.rank)
