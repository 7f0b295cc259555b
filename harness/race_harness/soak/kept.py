"""What a soak has kept of its failures: tried on the real server, and in the order of telling."""

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
"""Tries a failure on the real server and puts what comes of it into its file."""


@dataclass(frozen=True)
class Kept:
    """A failure that was kept, without its happenings."""

    key: Key
    cause: str
    confirmed: str
    """Whether the real server has confirmed it, in words; may be empty."""
    rank: int
    replay: str
    """The command."""
    verdict: str = ""
    """The gravest."""
    test: str | None = None
    """The user's own test that failed."""
    evidence: tuple[Evidence, ...] = ()


def confirm_all(
    records: Mapping[Key, SeriesRecord],
    keys: Sequence[Key],
    tried: Try,
    failures: Path = FAILURES,
) -> None:
    """Try the failures of these series that have not been tried; the record hears of it. Files are
    those in the folder `failures`, wherever a record says that they are."""
    for key in keys:
        for failure, path in records[key].failures():
            if str(SIM_REAL) in failure.confirmed or path is None:
                continue
            if path.parent != failures or not holds(path, failure):
                # It was resumed from another folder, somebody has tidied up, or the record is
                # somebody else's.
                path = keep(failure, failures)
            records[key].failure(tried(failure, path), path)


def ranked(records: Mapping[Key, SeriesRecord], words: Callable[[Failure], str]) -> list[Kept]:
    """All that were kept, those first that the real server confirms."""
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
